//! A provider whose next answer is given byte by byte. It keeps its books as a strict one does: each refresh token is
//! used once, and one that comes back after its grace ends the grant.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use url::Url;

use super::bytes::{json, page};
use super::cases::{Answer, Case, Issued, Step};
use crate::harness::{Kind, PATIENCE, Record, Secret, until};

/// A request is small, and one read of its beginning holds it.
const REQUEST_BYTES: usize = 16 * 1024;

/// What nobody reads to its end.
const ENDLESS_BYTES: u64 = 10_000_000_000;

/// The grant that a case is about.
#[derive(Default)]
pub(super) struct Account {
    /// The refresh token that is good now.
    pub(super) current: String,
    /// The access token that was given last.
    pub(super) access: String,
    /// Those before, and when each was first used.
    superseded: HashMap<String, Instant>,
    pub(super) refreshes: u32,
    pub(super) reuses: u32,
    pub(super) is_dead: bool,
    issued: u32,
}

struct Book {
    case: Arc<Case>,
    account: Account,
    has_struck: bool,
}

struct Books {
    record: Arc<Record>,
    by_host: HashMap<IpAddr, Book>,
    /// Requests for what nobody was to ask for.
    trespasses: Vec<String>,
}

pub(super) struct ByteServer {
    port: u16,
    books: Arc<Mutex<Books>>,
    is_away: Arc<AtomicBool>,
}

impl ByteServer {
    /// Serves each case on a loopback address of its own, so that no case is another one's host.
    pub(super) fn start(record: &Arc<Record>, cases: &[Arc<Case>]) -> Self {
        let book = |case: &Arc<Case>| Book {
            case: Arc::clone(case),
            account: Account::default(),
            has_struck: false,
        };
        let by_host = cases.iter().enumerate().map(|(number, case)| (address(number), book(case))).collect();
        let books = Books { record: Arc::clone(record), by_host, trespasses: Vec::new() };
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, books: Arc::new(Mutex::new(books)), is_away: Arc::default() };
        server.listen(listener);
        server
    }

    fn listen(&self, listener: TcpListener) {
        let (books, is_away) = (Arc::clone(&self.books), Arc::clone(&self.is_away));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_away.load(Ordering::SeqCst) {
                    break;
                }
                let (stream, books) = (stream.unwrap(), Arc::clone(&books));
                std::thread::spawn(move || serve(stream, &books));
            }
        });
    }

    /// From now on nobody listens.
    pub(super) fn go_away(&self) {
        self.is_away.store(true, Ordering::SeqCst);
        until("the port to be closed", || TcpStream::connect(("127.0.0.1", self.port)).err());
    }

    pub(super) fn come_back(&self) {
        self.is_away.store(false, Ordering::SeqCst);
        self.listen(TcpListener::bind(("0.0.0.0", self.port)).unwrap());
    }

    pub(super) fn url(&self, number: usize, path: &str) -> String {
        format!("http://{}{path}", SocketAddr::new(address(number), self.port))
    }

    pub(super) fn account<T>(&self, number: usize, look: impl FnOnce(&Account) -> T) -> T {
        look(&lock(&self.books).by_host[&address(number)].account)
    }

    pub(super) fn trespasses(&self) -> Vec<String> {
        lock(&self.books).trespasses.clone()
    }
}

fn address(number: usize) -> IpAddr {
    let number = u16::try_from(number + 1).unwrap().to_be_bytes();
    [127, 7, number[0], number[1]].into()
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap()
}

fn serve(mut stream: TcpStream, books: &Mutex<Books>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let address = stream.local_addr().unwrap();
    let Some(bytes) = look_at(&stream) else { return };
    let origin = format!("http://{address}");
    let script = lock(books).answer(address.ip(), Request::parse(&bytes, &origin));
    // What is left unread when the connection is closed makes that a reset.
    let unread = usize::from(script.iter().any(|step| matches!(step, Step::Reset)));
    stream.read_exact(&mut vec![0; bytes.len() - unread]).unwrap();
    // Whoever asked may have gone.
    let _ = script.into_iter().try_for_each(|step| carry_out(&mut stream, step, &origin));
}

/// What a provider is asked for.
pub(in crate::proofs) enum Request {
    /// The page on which a person consents.
    Authorize(Url),
    /// Tokens.
    Token(HashMap<String, String>),
    /// Something else: the line that asks for it.
    Other(String),
}

impl Request {
    fn parse(bytes: &[u8], origin: &str) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let line = head.lines().next().unwrap();
        if line.starts_with("POST /token ") {
            return Self::Token(url::form_urlencoded::parse(body.as_bytes()).into_owned().collect());
        }
        match line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) {
            Some(target) if target.starts_with("/authorize?") => {
                Self::Authorize(Url::parse(&format!("{origin}{target}")).unwrap())
            }
            _ => Self::Other(line.to_owned()),
        }
    }
}

/// Reads a request to its end.
pub(in crate::proofs) fn read_request(stream: &mut TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let bytes = look_at(stream)?;
    stream.read_exact(&mut vec![0; bytes.len()]).unwrap();
    Some(Request::parse(&bytes, &format!("http://{}", stream.local_addr().unwrap())))
}

/// Sends a person back, with a code.
pub(in crate::proofs) fn redirect(authorization: &Url, code: &str) -> Answer {
    let query: HashMap<String, String> = authorization.query_pairs().into_owned().collect();
    let mut back = Url::parse(&query["redirect_uri"]).unwrap();
    back.query_pairs_mut().append_pair("code", code).append_pair("state", &query["state"]);
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {back}\r\nContent-Length: 0\r\n\r\n");
    vec![Step::Bytes(head.into_bytes())]
}

/// The whole request, without taking it from the socket.
fn look_at(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut buffer = vec![0; REQUEST_BYTES];
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let length = stream.peek(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= announced {
                return Some(buffer[..length].to_vec());
            }
        }
        if length == 0 {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Does one step. The error says that whoever asked has gone.
pub(in crate::proofs) fn carry_out(stream: &mut TcpStream, step: Step, origin: &str) -> std::io::Result<()> {
    match step {
        Step::Bytes(bytes) => stream.write_all(&bytes),
        Step::To(template) => {
            let port = origin.rsplit(':').next().unwrap_or_default();
            let text = template.replace("{origin}", origin).replace("{port}", port);
            stream.write_all(text.as_bytes())
        }
        Step::Pause(pause) => {
            std::thread::sleep(pause);
            Ok(())
        }
        Step::Drip { bytes, every } => bytes.iter().try_for_each(|byte| {
            std::thread::sleep(every);
            stream.write_all(&[*byte])
        }),
        Step::Endless(bytes) => {
            let mut sent = 0;
            while sent < ENDLESS_BYTES {
                stream.write_all(&bytes)?;
                sent += bytes.len() as u64;
            }
            Ok(())
        }
        Step::Silence => match stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nobody ever hung up")
            }
            _ => Ok(()),
        },
        Step::Reset => Ok(()),
    }
}

impl Books {
    fn answer(&mut self, host: IpAddr, request: Request) -> Answer {
        let form = match (request, self.by_host.contains_key(&host)) {
            (Request::Authorize(url), true) => return redirect(&url, &format!("one-time-code-{host}")),
            (Request::Token(form), true) => form,
            (Request::Other(line), _) => return self.trespass(host, &line),
            (Request::Authorize(_) | Request::Token(_), false) => return self.trespass(host, "a stranger"),
        };
        let Some(book) = self.by_host.get_mut(&host) else { return vec![] };
        let issued = match form["grant_type"].as_str() {
            "authorization_code" => {
                *book = Book { account: Account::default(), has_struck: false, case: Arc::clone(&book.case) };
                book.account.issue(host)
            }
            _ => {
                book.account.refreshes += 1;
                let presented = &form["refresh_token"];
                if !book.account.takes(presented, book.case.grace) {
                    return json("400 Bad Request", r#"{"error":"invalid_grant"}"#);
                }
                let strikes = !std::mem::replace(&mut book.has_struck, true);
                if strikes && !book.case.rotates {
                    let mut issued = Issued {
                        access: format!("access-{host}-of-the-case"),
                        refresh: format!("refresh-{host}-that-is-not-used"),
                    };
                    if book.case.keeps_refresh_token {
                        book.account.access.clone_from(&issued.access);
                        issued.refresh.clone_from(presented);
                    }
                    remember(&self.record, &issued);
                    book.account.is_dead = book.case.dies;
                    return (book.case.answer)(&issued);
                }
                let used = std::mem::take(&mut book.account.current);
                if !used.is_empty() {
                    book.account.superseded.insert(used, Instant::now());
                }
                let issued = book.account.issue(host);
                if strikes {
                    remember(&self.record, &issued);
                    return (book.case.answer)(&issued);
                }
                issued
            }
        };
        remember(&self.record, &issued);
        let body = serde_json::json!({
            "access_token": issued.access,
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": issued.refresh,
        });
        json("200 OK", &body.to_string())
    }

    fn trespass(&mut self, host: IpAddr, what: &str) -> Answer {
        self.trespasses.push(format!("{host}: {what}"));
        page("404 Not Found", "")
    }
}

impl Account {
    fn issue(&mut self, host: IpAddr) -> Issued {
        self.issued += 1;
        let number = self.issued;
        self.current = format!("refresh-{host}-number-{number}");
        self.access = format!("access-{host}-number-{number}");
        Issued { access: self.access.clone(), refresh: self.current.clone() }
    }

    /// Whether a refresh token is good. One that was used before, and is not in its grace any more, ends it all.
    fn takes(&mut self, presented: &str, grace: Duration) -> bool {
        if self.is_dead {
            return false;
        }
        let in_grace = self.superseded.get(presented).is_some_and(|used| used.elapsed() < grace);
        if presented == self.current || in_grace {
            return true;
        }
        self.reuses += 1;
        self.is_dead = true;
        false
    }
}

fn remember(record: &Record, issued: &Issued) {
    record.add_secret(Secret::new(Kind::AccessToken, issued.access.clone()));
    record.add_secret(Secret::new(Kind::RefreshToken, issued.refresh.clone()));
}
