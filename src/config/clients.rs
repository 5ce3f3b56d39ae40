//! The `[clients]` table.

use serde::Deserialize;

use crate::answer::{Challenges, ToolResults};
use crate::config_error::{ConfigProblem, Flawed, Problems};

/// The product of ChatGPT in `User-Agent`.
const CHATGPT: &str = "openai-mcp";

/// The treatment of clients that do not behave as MCP says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengesTable {
    #[serde(default)]
    pub(crate) challenges: Challenges,
    tool_results_for: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) describe_security: bool,
}

impl ChallengesTable {
    pub(crate) fn add_product(&mut self, product: String) {
        self.tool_results_for.get_or_insert_default().push(product);
    }

    pub(super) fn tool_results(&self, problems: &mut Problems) -> Result<ToolResults, Flawed> {
        let products = match &self.tool_results_for {
            Some(products) => products.clone(),
            None => vec![CHATGPT.to_owned()],
        };
        let described = if self.challenges != Challenges::Http && !self.describe_security {
            let fix = "clients that read challenges in results of tools demand a description of each tool as well: \
                       write true";
            Err(ConfigProblem::conflict("clients.describe_security", fix).showing("false"))
        } else {
            Ok(())
        };
        let described = problems.keep(described);
        let mut good = Ok(());
        for (position, product) in products.iter().enumerate() {
            if !is_product(product) {
                let field = format!("clients.tool_results_for[{position}]");
                let fix = "write the name of a product as it is in User-Agent, without its version";
                good = Err(problems.add(ConfigProblem::not_allowed(field, fix).showing(product)));
            }
        }
        described?;
        good?;
        Ok(ToolResults::new(self.challenges, products.into()))
    }
}

/// Whether the text is a token (RFC 9110 §5.6.2), as the name of a product is.
fn is_product(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}
