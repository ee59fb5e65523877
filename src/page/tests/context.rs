//! The names that templates see: described as they are, and those of Django's package where it has them.

use super::overrides::overrides;
use super::*;

/// The keys of a value, with those below it; a list's are those of its items.
fn keys(prefix: &str, value: &serde_json::Value, members: &[Member], seen: &mut BTreeSet<String>) {
    let items: Vec<&serde_json::Value> = match value {
        serde_json::Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    for item in items {
        let serde_json::Value::Object(object) = item else { continue };
        for (key, value) in object {
            let member = members.iter().find(|member| member.name == key);
            let member = member.unwrap_or_else(|| panic!("{prefix}.{key} is not described"));
            seen.insert(format!("{prefix}.{key}"));
            if !member.kind.members().is_empty() {
                keys(&format!("{prefix}.{key}"), value, member.kind.members(), seen);
            }
        }
    }
}

fn described(prefix: &str, members: &[Member], into: &mut BTreeSet<String>) {
    for member in members {
        assert!(!member.doc.is_empty(), "{prefix}.{}", member.name);
        into.insert(format!("{prefix}.{}", member.name));
        described(&format!("{prefix}.{}", member.name), member.kind.members(), into);
    }
}

#[test]
fn what_templates_see_is_what_is_described() {
    struct EveryPage;
    impl Visitor for EveryPage {
        fn visit<P: Page>(&mut self) {
            let pages = pages();
            let (mut seen, mut said) = (BTreeSet::new(), BTreeSet::new());
            for (_, sample) in P::samples() {
                let context = serde_json::to_value(sample.context(&english(&pages))).unwrap();
                keys(P::TEMPLATE, &context, P::kind().members(), &mut seen);
            }
            described(P::TEMPLATE, P::kind().members(), &mut said);
            assert_eq!(seen, said, "{}", P::TEMPLATE);
        }
    }
    visit_every_page(&mut EveryPage);
}

#[test]
fn the_description_has_every_page_with_its_names_types_and_samples() {
    let text = contexts().unwrap();
    for line in [
        "## authorize.html",
        "Its form posts `hidden_inputs` and `decision` or `allow` to `{{ frame.base }}/consent`.",
        "| `client.name` | text | Its display name, or its identifier where it has none. | `Meadow Notes` |",
        "| `scopes[].scope` | text | As it stands in the request. | `profile` |",
        "| `error` | text | The protocol's name for the error, such as `invalid_request`. | `invalid_request` |",
        "| `problem.kind` | `missing`, `wrong`, `throttled` | What it is. | `wrong` |",
        "| `frame.product` | text | What the provider calls itself (`pages.title`). |",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// Django's package has these two, but for the tags that are Django's own: `{% csrf_token %}` and `{% url … %}`.
const DJANGO_AUTHORIZE: &str = r#"<h1>Request for Permission</h1>
<p>Client <strong>{{ client.name }}</strong> would like to access this information of you ...</p>
<form method="post" action="{{ frame.base }}/consent">
    {{ hidden_inputs }}
    <ul>
    {% for scope in scopes %}
        <li><strong>{{ scope.name }}</strong><br><i>{{ scope.description }}</i></li>
    {% endfor %}
    </ul>
    <p>{{ params.client_id }} {{ params.scope }}</p>
    <input type="submit" value="Decline" />
    <input name="allow" type="submit" value="Authorize" />
</form>"#;
const DJANGO_ERROR: &str = "<h3>{{ error }}</h3>\n<p>{{ description }}</p>";

#[test]
fn templates_with_djangos_names_work() {
    let directory = overrides(&[("authorize.html", DJANGO_AUTHORIZE), ("error.html", DJANGO_ERROR)]);
    let faults = check(&frame(), Some(directory.path())).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let pages = Pages::new(&frame(), Some(directory.path())).unwrap();
    let french = pages.locale(Some("fr"), None, None);
    let html = pages.render(&sample::<AuthorizePage>("logo"), &french).unwrap();
    for part in [
        "Client <strong>Meadow Notes</strong>",
        "<input type=\"hidden\" name=\"pending\" value=\"sealed-request\"><input type=\"hidden\" name=\"csrf\" value=\"csrf-token\">",
        "<strong>Voir votre profil</strong>",
        "<p>meadow-notes openid profile email</p>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let html = pages.render(&sample::<ErrorPage>("request"), &french).unwrap();
    assert!(html.starts_with("<h3>invalid_request</h3>\n<p>The redirect_uri does not match"), "{html}");
}

#[test]
fn hidden_inputs_are_escaped_once() {
    let html = html::<AuthorizePage>("hostile");
    assert!(html.contains("name=\"csrf\" value=\"&quot;&gt;&lt;script&gt;"), "{html}");
}
