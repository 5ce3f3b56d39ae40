//! A request as text, as proxies show it: a request line, headers, an empty line and the body.

use http::{HeaderName, HeaderValue, Method, Request, Uri, header};

/// Reads the request, strictly: a text in which two readers could see two requests is refused.
pub(crate) fn read(text: &[u8]) -> Result<Request<Vec<u8>>, String> {
    let mut rest = text;
    let (method, uri) = request_line(line(&mut rest)?)?;
    let mut request = Request::new(Vec::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    loop {
        match line(&mut rest)? {
            b"" => break,
            line => {
                let (name, value) = header_line(line)?;
                request.headers_mut().append(name, value);
            }
        }
    }
    *request.body_mut() = body(&request, rest)?.to_vec();
    Ok(request)
}

/// Takes the next line, which ends with LF or CRLF.
fn line<'t>(rest: &mut &'t [u8]) -> Result<&'t [u8], String> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, behind) = rest.split_at(end.ok_or("there is no empty line behind the headers")?);
    *rest = behind.get(1..).unwrap_or_default();
    Ok(line.strip_suffix(b"\r").unwrap_or(line))
}

fn request_line(line: &[u8]) -> Result<(Method, Uri), String> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return Err("the first line is not a method, a target and a version".to_owned());
    };
    // Proxies show requests of HTTP/2 in this form as well.
    if ![&b"HTTP/1.0"[..], b"HTTP/1.1", b"HTTP/2", b"HTTP/2.0"].contains(&version) {
        return Err("the first line does not end with HTTP/1.1".to_owned());
    }
    let method = Method::from_bytes(method).map_err(|why| format!("the method: {why}"))?;
    let uri = Uri::try_from(target).map_err(|why| format!("the target: {why}"))?;
    Ok((method, uri))
}

fn header_line(line: &[u8]) -> Result<(HeaderName, HeaderValue), String> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or("a header has no colon")?);
    // No name has a blank in it, so one at the start of the line or before the colon is an error too.
    let name = HeaderName::from_bytes(name).map_err(|why| format!("a header: {why}"))?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let value = HeaderValue::from_bytes(value).map_err(|why| format!("{name}: {why}"))?;
    Ok((name, value))
}

/// The body, without line ends that an editor added behind it.
fn body<'t>(request: &Request<Vec<u8>>, rest: &'t [u8]) -> Result<&'t [u8], String> {
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(
            "write the body without a transfer encoding, and leave that header out".to_owned(),
        );
    }
    let mut lengths = request.headers().get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => return Ok(rest.trim_ascii_end()),
        (Some(length), None) => length.to_str().ok().and_then(|length| length.parse().ok()),
        (Some(_), Some(_)) => None,
    };
    let length: usize = length.ok_or("the Content-Length is not one number")?;
    match rest.split_at_checked(length) {
        Some((body, behind)) if behind.trim_ascii().is_empty() => Ok(body),
        _ => Err("the body is not as long as its Content-Length".to_owned()),
    }
}
