// A person at a real browser. `node browse.mjs URL`: opens the page, signs in and allows what is asked for, as the pages say,
// up to a page that asks nothing any more; prints its title.

import { access } from 'node:fs/promises';
import puppeteer from 'puppeteer-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const PAGES_MAX = 10;
const PATIENCE_MS = 30_000;

const [url] = process.argv.slice(2);
if (!url) fail('expected a URL');

const browser = await puppeteer.launch({
  executablePath: await installed(),
  // A container has no user namespaces for the sandbox; only pages of this machine are opened.
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(url);
  for (let pages = 0; await page.$('form'); pages += 1) {
    if (pages === PAGES_MAX) fail(`${PAGES_MAX} pages asked for something, and there is no end`);
    for (const field of await page.$$('form input:not([type=hidden])')) await field.type('vesta');
    await Promise.all([page.waitForNavigation(), page.click('form [type=submit]')]);
  }
  process.stdout.write(`${await page.title()}\n`);
} finally {
  await browser.close();
}

async function installed() {
  for (const place of PLACES) {
    try {
      await access(place);
      return place;
    } catch {}
  }
  fail(`there is no Chromium at ${PLACES.join(' or ')}: sudo apt-get install chromium`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
