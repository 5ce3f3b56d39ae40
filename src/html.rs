//! The HTML of a page.

/// Writes a page: each `{{name}}` of the template is replaced by the HTML that `value` returns for it, or by nothing. A
/// placeholder within a value is not replaced.
pub(crate) fn filled<'a>(template: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let (mut page, mut rest) = (String::new(), template);
    while let Some((before, (name, after))) = rest
        .split_once("{{")
        .and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        page.push_str(before);
        page.push_str(value(name).unwrap_or_default());
        rest = after;
    }
    page + rest
}

/// Escapes text, for an element or for a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_filled_in_one_pass_and_no_text_becomes_markup() {
        let text = escaped("<b>{{b}}\"'&");
        assert_eq!(text, "&lt;b&gt;{{b}}&quot;&#39;&amp;");
        let page = filled("{{a}}-{{b}}-{{c}}-{{", |name| match name {
            "a" => Some(&text),
            "b" => Some("two"),
            _ => None,
        });
        assert_eq!(page, format!("{text}-two--{{{{"));
    }
}
