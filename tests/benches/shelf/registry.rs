//! AWS, as far as a plan needs it: what it lists is worked out, not stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::harness::http::{Request, request};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What DynamoDB answers in one page, at most.
const ITEMS: usize = 4000;

/// A repository of so many images, and the calls that were made.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    images: usize,
    plans: Mutex<Vec<Calls>>,
}

/// The calls of one plan, by action.
pub(crate) type Calls = BTreeMap<String, usize>;

impl Registry {
    /// Serves until the process ends.
    pub(crate) fn serve(images: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { images, plans: Mutex::default() });
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                thread::spawn(move || answer(&stream, &state));
            }
        });
        Ok(Self { address, state })
    }

    /// The calls of a plan, which is over.
    pub(crate) fn calls(&self, plan: usize) -> Calls {
        self.state.plans().get(plan).cloned().unwrap_or_default()
    }
}

fn answer(stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let Request { headers, body, .. } = request(&mut reader)?;
        let target = headers.get("x-amz-target").map(String::as_str).unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default();
        let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        state.count(action);
        let (status, text) = state.answer(action, &body);
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\n\
             content-length: {length}\r\n\r\n"
        );
        writer.write_all(head.as_bytes())?;
        writer.write_all(text.as_bytes())?;
    }
}

fn digest(kind: usize, number: usize) -> String {
    format!("sha256:{kind:08x}{number:056x}")
}

impl State {
    fn plans(&self) -> MutexGuard<'_, Vec<Calls>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; a plan begins with a look at the configuration.
    fn count(&self, action: &str) {
        let mut plans = self.plans();
        if action == "GetParameters" {
            plans.push(Calls::new());
        }
        if let Some(calls) = plans.last_mut() {
            *calls.entry(action.to_owned()).or_default() += 1;
        }
    }

    fn answer(&self, action: &str, body: &Value) -> (&'static str, String) {
        const OK: &str = "200 OK";
        match action {
            "GetParameters" => {
                let name = "/esclusa/services/acme/tickets";
                let parameter = json!({ "Name": name, "Value": "[retention]\nversions = 10\n" });
                (OK, json!({ "Parameters": [parameter] }).to_string())
            }
            "DescribeImages" => (OK, self.page(body)),
            "BatchGetImage" => (OK, manifests(body)),
            "GetLifecyclePolicy" => {
                let error = json!({ "__type": "LifecyclePolicyNotFoundException" });
                ("400 Bad Request", error.to_string())
            }
            "Query" => (OK, self.query(body)),
            _ => (OK, "{}".to_owned()),
        }
    }

    /// A page of the listing: an index and its two parts, again and again.
    fn page(&self, body: &Value) -> String {
        let token = body.get("nextToken").and_then(Value::as_str);
        let first: usize = token.and_then(|it| it.parse().ok()).unwrap_or(0);
        let last = self.images.min(first + 1000);
        let mut text = "{\"imageDetails\":[".to_owned();
        for place in first..last {
            let (number, kind) = (place / 3, place % 3);
            let (media, tags) = match kind {
                0 => (INDEX, format!(",\"imageTags\":[\"v1.{number}.0\"]")),
                _ => (MANIFEST, String::new()),
            };
            let comma = if place > first { "," } else { "" };
            let digest = digest(kind, number);
            let pushed = 1_700_000_000 + number;
            let _written = write!(
                text,
                "{comma}{{\"imageDigest\":\"{digest}\",\"imageManifestMediaType\":\"{media}\",\
                 \"imageSizeInBytes\":50000000,\"imagePushedAt\":{pushed},\
                 \"imageStatus\":\"ACTIVE\"{tags}}}"
            );
        }
        text.push(']');
        if last < self.images {
            let _written = write!(text, ",\"nextToken\":\"{last}\"");
        }
        text.push('}');
        text
    }

    /// What the ledger remembers: no lanes, and what indexes name, once a plan has read it.
    fn query(&self, body: &Value) -> String {
        let partition = body.to_string();
        let read = self.plans().len() > 1;
        if !partition.contains("IMAGE#") || !read {
            return json!({ "Items": [], "Count": 0 }).to_string();
        }
        let start = body.pointer("/ExclusiveStartKey/sk/S").and_then(Value::as_str);
        let after = start.and_then(|it| usize::from_str_radix(it.get(15..)?, 16).ok());
        let first = after.map_or(0, |it| it + 1);
        let indexes = self.images.div_ceil(3);
        let last = indexes.min(first + ITEMS);
        let item = |number: usize| {
            let children = [1, 2].map(|kind| json!({ "S": digest(kind, number) }));
            json!({
                "pk": { "S": "IMAGE#acme/tickets" }, "sk": { "S": digest(0, number) },
                "children": { "L": children }, "read_at": { "N": "1700000000000" },
            })
        };
        let items: Vec<Value> = (first..last).map(item).collect();
        let mut answer = json!({ "Items": items, "Count": last - first });
        if last < indexes {
            let key = json!({
                "pk": { "S": "IMAGE#acme/tickets" }, "sk": { "S": digest(0, last - 1) },
            });
            answer["LastEvaluatedKey"] = key;
        }
        answer.to_string()
    }
}

fn manifests(body: &Value) -> String {
    let ids = body.get("imageIds").and_then(Value::as_array).into_iter().flatten();
    let digests = ids.filter_map(|id| id.get("imageDigest").and_then(Value::as_str));
    let image = |it: &str| {
        let number = it.get(15..).and_then(|hex| usize::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let part =
            |kind| json!({ "mediaType": MANIFEST, "digest": digest(kind, number), "size": 1 });
        let index =
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [part(1), part(2)] });
        json!({ "imageId": { "imageDigest": it }, "imageManifest": index.to_string() })
    };
    json!({ "images": digests.map(image).collect::<Vec<_>>(), "failures": [] }).to_string()
}
