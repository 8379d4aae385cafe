//! Objects of an S3 server, read through its API.

use std::time::Duration;

use rusty_s3::actions::ListObjectsV2;
use rusty_s3::actions::list_objects_v2::ListObjectsContent;
use rusty_s3::{Bucket, Credentials, Method, S3Action, UrlStyle, signing};

use super::{KEY, REGION, S3Server, SECRET};

/// How long an answer may take, and how long a signature is valid.
const ANSWER: Duration = Duration::from_secs(60);

/// The most bytes of an object: more than any scenario writes.
const OBJECT: u64 = 1 << 30;

impl S3Server {
    /// Names and sizes of all objects whose name begins with `prefix`, sorted.
    ///
    /// # Panics
    /// When the server does not list them.
    #[must_use]
    pub fn objects(&self, prefix: &str) -> Vec<(String, u64)> {
        let (bucket, credentials) = (self.bucket(), credentials());
        let mut objects = Vec::new();
        let mut token = None;
        loop {
            let mut action = bucket.list_objects_v2(Some(&credentials));
            action.with_prefix(prefix);
            if let Some(token) = token.take() {
                action.with_continuation_token(token);
            }
            let page = text(ureq::get(action.sign(ANSWER).as_str()));
            let page = ListObjectsV2::parse_response(&page).expect("a list of objects");
            let sized = |found: ListObjectsContent| (found.key, found.size.expect("a size"));
            objects.extend(page.contents.into_iter().map(sized));
            token = page.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        objects.sort();
        objects
    }

    /// An object's bytes.
    ///
    /// # Panics
    /// When there is no such object.
    #[must_use]
    pub fn object(&self, name: &str) -> Vec<u8> {
        let (bucket, credentials) = (self.bucket(), credentials());
        let action = bucket.get_object(Some(&credentials), name);
        bytes(ureq::get(action.sign(ANSWER).as_str()))
    }

    /// Stores an object.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let (bucket, credentials) = (self.bucket(), credentials());
        let url = bucket.put_object(Some(&credentials), name).sign(ANSWER);
        let put = ureq::put(url.as_str()).send(bytes);
        put.expect("an object is taken");
    }

    /// Begins a multipart upload, and leaves it unfinished.
    ///
    /// # Panics
    /// When the server does not begin it.
    pub fn begin_upload(&self, name: &str) {
        let (bucket, credentials) = (self.bucket(), credentials());
        let action = bucket.create_multipart_upload(Some(&credentials), name);
        let begun = ureq::post(action.sign(ANSWER).as_str()).send_empty();
        begun.expect("an upload is begun");
    }

    /// The number of uploads that were neither completed nor aborted.
    ///
    /// # Panics
    /// When the server does not list them.
    #[must_use]
    pub fn uploads(&self) -> usize {
        let bucket = self.bucket();
        let url = signing::sign(
            &jiff::Timestamp::now(),
            Method::Get,
            bucket.base_url().clone(),
            KEY,
            SECRET,
            None,
            REGION,
            ANSWER.as_secs(),
            std::iter::once(("uploads", "")),
            std::iter::empty::<(&str, &str)>(),
        );
        text(ureq::get(url.as_str())).matches("<UploadId>").count()
    }

    pub(super) fn make_bucket(&self) {
        let (bucket, credentials) = (self.bucket(), credentials());
        let url = bucket.create_bucket(&credentials).sign(ANSWER);
        ureq::put(url.as_str())
            .send_empty()
            .expect("a bucket is made");
    }

    fn bucket(&self) -> Bucket {
        let endpoint = self.endpoint().parse().expect("a URL");
        Bucket::new(endpoint, UrlStyle::Path, Self::BUCKET, REGION).expect("a bucket's name")
    }
}

fn credentials() -> Credentials {
    Credentials::new(KEY, SECRET)
}

type Request = ureq::RequestBuilder<ureq::typestate::WithoutBody>;

fn bytes(request: Request) -> Vec<u8> {
    let mut answer = request.call().expect("the S3 server answers");
    let body = answer.body_mut().with_config().limit(OBJECT);
    body.read_to_vec().expect("a whole answer")
}

fn text(request: Request) -> String {
    String::from_utf8(bytes(request)).expect("an answer in UTF-8")
}
