//! A terminal, and who sits at it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The end at which somebody sits. What is drawn is read all the time.
pub(crate) struct Terminal {
    end: Arc<File>,
    drawn: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// One of so many columns and rows, and the other end of it, for a process.
    pub(crate) fn open(size: (u16, u16)) -> (Self, File) {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let other = ptsname(&end, Vec::new()).unwrap();
        let other = OpenOptions::new().read(true).write(true).open(other.to_str().unwrap()).unwrap();
        let (end, drawn) = (Arc::new(File::from(end)), Arc::<Mutex<Vec<u8>>>::default());
        let (near, heard) = (Arc::clone(&end), Arc::clone(&drawn));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            // It ends with an error when nobody draws any more.
            while let Ok(length @ 1..) = (&*near).read(&mut buffer) {
                heard.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        let terminal = Self { end, drawn, reader };
        terminal.resize(size);
        (terminal, other)
    }

    pub(crate) fn resize(&self, (ws_col, ws_row): (u16, u16)) {
        tcsetwinsize(&self.end, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    pub(crate) fn say(&self, text: &str) {
        (&*self.end).write_all(text.as_bytes()).unwrap();
    }

    /// Everything that was drawn so far.
    pub(crate) fn drawn(&self) -> String {
        String::from_utf8_lossy(&self.drawn.lock().unwrap()).into_owned()
    }

    /// Everything, once nobody draws any more.
    pub(crate) fn all_drawn(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.drawn.lock().unwrap()).replace('\r', "")
    }
}
