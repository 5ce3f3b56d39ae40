use super::*;
use crate::testing::NOTICE;

fn builder() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().scopes(["mcp:use", "files:read", "files:write"])
}

/// The consent page as a browser gets it that has this cookie.
async fn consent(walk: &Walk, changes: &[(&str, &str)], cookie: &str) -> String {
    let request = http().get(walk.request(changes)).header("cookie", cookie);
    request.send().await.unwrap().text().await.unwrap()
}

/// Allows what is asked for, and returns the cookie that the browser has then, if it is given one.
async fn allow(
    walk: &Walk,
    changes: &[(&str, &str)],
    user: &str,
    decision: &str,
) -> Option<String> {
    let mut pairs = form_of(&consent(walk, changes, "").await);
    pairs.retain(|(name, _)| name != "user");
    pairs.push(("user".to_owned(), user.to_owned()));
    pairs.push(("decision".to_owned(), decision.to_owned()));
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let response = post_form(&walk.server.url(Endpoint::Authorize), &pairs).await;
    assert_eq!(response.status(), 303);
    let cookie = response.headers().get("set-cookie")?.to_str().unwrap();
    assert!(
        cookie.ends_with("; Path=/authorize; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    Some(cookie.split(';').next().unwrap().to_owned())
}

/// The label of the choice with this value, from its box to its end.
fn label<'a>(page: &'a str, value: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!(" value=\"{value}\""))
        .unwrap_or_else(|| panic!("no {value} in {page}"));
    rest.split("</label>").next().unwrap()
}

#[tokio::test]
async fn the_address_of_the_server_is_a_page_that_says_what_it_is_and_what_it_has() {
    for (path, homes) in [
        ("", &["/"][..]),
        ("/tenant1", &["/", "/tenant1", "/tenant1/"]),
    ] {
        let server = builder().issuer_path(path).start().await;
        let origin = server.issuer().strip_suffix(path).unwrap();
        for home in homes {
            let home = format!("{origin}{home}");
            let response = get(&home).await;
            assert_eq!(response.status(), 200, "{home}");
            let headers = response.headers();
            assert_eq!(headers["content-type"], "text/html; charset=utf-8");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'"), "{policy}");
            let page = response.text().await.unwrap();
            assert!(page.contains(NOTICE) && page.contains("no passwords"));
            assert!(page.contains(&format!(
                "<dt>Issuer</dt><dd><code>{}</code>",
                server.issuer()
            )));
            for endpoint in Endpoint::ALL {
                let url = server.url(endpoint);
                assert!(page.contains(&format!("<code>{url}</code>")), "{url}");
            }
            let links: Vec<_> = page.split("<a href=\"").skip(1).collect();
            assert_eq!(links.len(), if path.is_empty() { 3 } else { 4 });
            for link in links {
                let link = link.split('"').next().unwrap();
                assert_eq!(get(link).await.status(), 200, "{link}");
            }
            let posted = post_form(&home, &[]).await;
            assert_eq!(
                (posted.status().as_u16(), &posted.headers()["allow"]),
                (405, &"GET, HEAD".parse().unwrap())
            );
        }
        assert_eq!(get(&format!("{origin}/nowhere")).await.status(), 404);
        assert_eq!(server.hits(Endpoint::Authorize), 0);
    }
    let server = builder().discovery_forms([]).start().await;
    let page = get(server.issuer()).await.text().await.unwrap();
    assert_eq!(
        page.matches("<a href=").count(),
        1,
        "forms that are not there"
    );
}

#[tokio::test]
async fn the_consent_page_says_what_a_scope_allows_where_the_builder_did() {
    let builder = builder().scope_text("files:read", "Read <your> files");
    let walk = Walk::begin(builder).await;
    let page = consent(&walk, &[], "").await;
    assert!(label(&page, "files:read").contains(">Read &lt;your&gt; files</"));
    assert!(label(&page, "mcp:use").ends_with("<span>mcp:use</span>"));
}

#[tokio::test]
async fn a_step_up_knows_who_is_logged_in_and_marks_what_is_new() {
    let walk = Walk::begin(builder()).await;
    let first = consent(&walk, &[], "").await;
    assert!(!first.contains("new for") && !first.contains("logged in"));
    assert!(label(&first, "alice").starts_with(" checked"));

    let bobs = allow(&walk, &[], "bob", "allow").await.expect("a cookie");
    let more = [("scope", "mcp:use files:write")];
    let page = consent(&walk, &more, &bobs).await;
    assert!(label(&page, "bob").starts_with(" checked"));
    assert!(label(&page, "bob").contains("logged in"));
    assert!(!label(&page, "alice").starts_with(" checked"));
    assert!(label(&page, "files:write").contains("new for bob"));
    assert!(!label(&page, "mcp:use").contains("new"));
    assert!(page.contains("bob has allowed this client something before"));

    // Among other cookies too; and a browser that has none of bob's is not told what bob did.
    let among = format!("theme=dark; {bobs}; x=y");
    assert_eq!(consent(&walk, &more, &among).await, page);
    let alices = consent(&walk, &more, "").await;
    assert!(label(&alices, "alice").starts_with(" checked"));
    assert!(!alices.contains("new for"));
}

#[tokio::test]
async fn what_counts_as_allowed_before_is_for_this_client_and_this_resource_and_not_revoked() {
    let walk = Walk::begin(builder()).await;
    let cookie = allow(&walk, &[], "alice", "allow").await.unwrap();
    let more = ("scope", "files:write");
    assert!(
        consent(&walk, &[more], &cookie)
            .await
            .contains("new for alice")
    );

    let elsewhere = ("resource", "http://127.0.0.1:3000/other");
    let page = consent(&walk, &[more, elsewhere], &cookie).await;
    assert!(!page.contains("new for") && page.contains("logged in"));
    let other = Walk {
        client_id: Walk::begin(builder()).await.client_id,
        server: walk.server.clone(),
    };
    let page = consent(&other, &[more], &cookie).await;
    assert!(!page.contains("new for") && page.contains("logged in"));

    // Used twice, a code takes its grant with it.
    let resource = ("resource", "http://127.0.0.1:3000/third");
    let code = walk.code(&[resource]).await;
    assert!(
        consent(&walk, &[more, resource], &cookie)
            .await
            .contains("new for alice")
    );
    for status in [200, 400] {
        assert_eq!(walk.redeem(&code, &[resource]).await.status(), status);
    }
    assert!(
        !consent(&walk, &[more, resource], &cookie)
            .await
            .contains("new for")
    );
}

#[tokio::test]
async fn only_a_user_of_this_server_who_allowed_something_is_remembered() {
    let walk = Walk::begin(builder().users(["ada l;, ü", "grace"])).await;
    assert_eq!(allow(&walk, &[], "grace", "deny").await, None);
    let cookie = allow(&walk, &[], "ada l;, ü", "allow").await.unwrap();
    assert!(
        cookie.is_ascii() && !cookie.contains([' ', ',', '"']),
        "{cookie}"
    );
    let page = consent(&walk, &[], &cookie).await;
    assert!(label(&page, "ada l;, ü").contains("logged in"));

    let (name, _) = cookie.split_once('=').unwrap();
    for other in ["mallory", "%FF", "", "<script>"] {
        let page = consent(&walk, &[], &format!("{name}={other}")).await;
        assert!(label(&page, "ada l;, ü").starts_with(" checked"));
        assert!(
            !page.contains("logged in") && !page.contains("script"),
            "{other}"
        );
    }
}
