//! A browser without scripts: it keeps cookies, follows redirects, and sends the forms of a page. It shares no code with
//! what serves the pages.

use std::collections::HashMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode, Url};

/// One person's browser.
pub(crate) struct Browser {
    client: Client,
    cookies: HashMap<String, String>,
    /// Where the next forms stood, as it says; else where they lead.
    origin: Option<String>,
}

/// What it shows.
pub(crate) struct Page {
    pub(crate) address: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { client, cookies: HashMap::new(), origin: None }
    }

    /// From now on the forms that it sends stand on another site.
    pub(crate) fn pretend_to_be_at(&mut self, origin: &str) {
        self.origin = Some(origin.to_owned());
    }

    pub(crate) async fn open(&mut self, address: &str) -> Page {
        self.go(Method::GET, address.parse().expect("an address"), None).await
    }

    /// Sends the form of a page whose action ends so, with what was typed into its fields.
    pub(crate) async fn submit(&mut self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let mut fields = form.hidden.clone();
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(page.address.join(&form.action).expect("an address"), &fields).await
    }

    pub(crate) async fn post(&mut self, address: Url, fields: &HashMap<String, String>) -> Page {
        let pairs = fields.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value)));
        self.go(Method::POST, address, Some(pairs.collect::<Vec<_>>().join("&"))).await
    }

    async fn go(&mut self, mut method: Method, mut address: Url, mut body: Option<String>) -> Page {
        for _ in 0..5 {
            let answer = self.ask(method, &address, body).await;
            let Some(next) = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok()) else {
                let (status, headers) = (answer.status(), answer.headers().clone());
                return Page { address, status, headers, text: answer.text().await.expect("a page") };
            };
            (address, method, body) = (address.join(next).expect("an address"), Method::GET, None);
        }
        panic!("redirected in a circle at {address}")
    }

    async fn ask(&mut self, method: Method, address: &Url, body: Option<String>) -> Response {
        let mut request = self.client.request(method, address.clone());
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(body) = body {
            let kind = "application/x-www-form-urlencoded";
            let origin = self.origin.clone().unwrap_or_else(|| address.origin().ascii_serialization());
            request = request.header("content-type", kind).header(ORIGIN, origin).body(body);
        }
        let answer = request.send().await.expect("an answer");
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("plain text");
            let (name, value) = text.split(';').next().expect("a pair").split_once('=').expect("a pair");
            match text.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }
}

fn quoted(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// One form: where it leads, and its fields that nobody types.
pub(crate) struct Shape {
    pub(crate) action: String,
    pub(crate) hidden: HashMap<String, String>,
}

impl Page {
    /// The first form whose action ends so.
    pub(crate) fn form(&self, action: &str) -> Shape {
        let forms = self.text.split("<form").skip(1);
        let mut forms = forms.map(|rest| rest.split("</form>").next().expect("a form"));
        let is_it = |form: &&str| attribute(form, "action").is_some_and(|to| to.ends_with(action));
        let form = forms.find(is_it).unwrap_or_else(|| panic!("no form {action} in {}", self.text));
        let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().expect("a tag"));
        let hidden = inputs.filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
        let pair = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value")?));
        Shape {
            action: attribute(form, "action").expect("an action"),
            hidden: hidden.filter_map(pair).collect(),
        }
    }

    #[track_caller]
    pub(crate) fn says(&self, part: &str) {
        assert!(self.text.contains(part), "no «{part}» in {} {}", self.status, self.text);
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&"))
}
