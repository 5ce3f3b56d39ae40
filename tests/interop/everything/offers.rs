//! Tools, resources and prompts under the names that the conformance suite looks for.
#![allow(deprecated, reason = "older revisions have logging and sampling")]

use std::time::Duration;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock,
    ListResourceTemplatesResult, ListResourcesResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate, Role, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, tool,
    tool_handler, tool_router,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::sleep;

/// One red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/// No sound.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Between the notifications of one call.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub(crate) struct Everything;

#[derive(Deserialize, JsonSchema)]
struct Sampling {
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Elicitation {
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    arg1: String,
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
struct Embedding {
    #[serde(rename = "resourceUri")]
    resource_uri: String,
}

#[tool_router]
impl Everything {
    #[tool(description = "Say something")]
    async fn test_simple_text(&self) -> String {
        "This is a simple text response for testing.".to_owned()
    }

    #[tool(description = "Show a picture")]
    async fn test_image_content(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::image(PNG, "image/png")])
    }

    #[tool(description = "Play a sound")]
    async fn test_audio_content(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::audio(WAV, "audio/wav")])
    }

    #[tool(description = "Give a resource along")]
    async fn test_embedded_resource(&self) -> CallToolResult {
        let text = "This is an embedded resource content.";
        let resource =
            ResourceContents::text(text, "test://embedded-resource").with_mime_type("text/plain");
        CallToolResult::success(vec![ContentBlock::resource(resource)])
    }

    #[tool(description = "Give several things along")]
    async fn test_multiple_content_types(&self) -> CallToolResult {
        let resource = ResourceContents::text(
            r#"{"test":"data","value":123}"#,
            "test://mixed-content-resource",
        );
        CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PNG, "image/png"),
            ContentBlock::resource(resource.with_mime_type("application/json")),
        ])
    }

    #[tool(description = "Fail")]
    async fn test_error_handling(&self) -> CallToolResult {
        let why = "This tool intentionally returns an error for testing";
        CallToolResult::error(vec![ContentBlock::text(why)])
    }

    #[tool(description = "Tell the log what happens")]
    async fn test_tool_with_logging(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        for text in [
            "Tool execution started",
            "Tool processing data",
            "Tool execution completed",
        ] {
            let event = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.into());
            context
                .peer
                .notify_logging_message(event)
                .await
                .map_err(internal)?;
            sleep(PAUSE).await;
        }
        Ok("logged".to_owned())
    }

    #[tool(description = "Tell how far it is")]
    async fn test_tool_with_progress(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        for progress in [0.0, 50.0, 100.0] {
            if let Some(token) = context.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, progress).with_total(100.0);
                context
                    .peer
                    .notify_progress(progress)
                    .await
                    .map_err(internal)?;
            }
            sleep(PAUSE).await;
        }
        Ok("done".to_owned())
    }

    #[tool(description = "Ask the client's model")]
    async fn test_sampling(
        &self,
        Parameters(Sampling { prompt }): Parameters<Sampling>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
        let request = from_json(json!({ "messages": [message], "maxTokens": 100 }))?;
        let answer = context
            .peer
            .create_message(request)
            .await
            .map_err(internal)?;
        Ok(format!("LLM response: {}", json!(answer)))
    }

    #[tool(description = "Ask the user")]
    async fn test_elicitation(
        &self,
        Parameters(Elicitation { message }): Parameters<Elicitation>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let text = |description: &str| json!({ "type": "string", "description": description });
        let properties =
            json!({ "username": text("User's response"), "email": text("User's email address") });
        ask(&context, &message, properties).await
    }

    #[tool(description = "Ask the user, with answers to begin with")]
    async fn test_elicitation_sep1034_defaults(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let properties = json!({
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        });
        ask(&context, "Who are you?", properties).await
    }
}

async fn ask(
    context: &RequestContext<RoleServer>,
    message: &str,
    properties: Value,
) -> Result<String, ErrorData> {
    let schema = json!({ "type": "object", "properties": properties });
    let request =
        from_json(json!({ "mode": "form", "message": message, "requestedSchema": schema }))?;
    let answer = context
        .peer
        .create_elicitation(request)
        .await
        .map_err(internal)?;
    Ok(format!("Elicitation completed: {}", json!(answer)))
}

#[prompt_router]
impl Everything {
    #[prompt(description = "A simple one")]
    async fn test_simple_prompt(&self) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(
            Role::User,
            "This is a simple prompt for testing.",
        )]
    }

    #[prompt(description = "One with arguments")]
    async fn test_prompt_with_arguments(
        &self,
        Parameters(Arguments { arg1, arg2 }): Parameters<Arguments>,
    ) -> Vec<PromptMessage> {
        let text = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
        vec![PromptMessage::new_text(Role::User, text)]
    }

    #[prompt(description = "One with a resource")]
    async fn test_prompt_with_embedded_resource(
        &self,
        Parameters(Embedding { resource_uri }): Parameters<Embedding>,
    ) -> Vec<PromptMessage> {
        let resource =
            ResourceContents::text("Embedded resource content for testing.", resource_uri);
        vec![
            PromptMessage::new(
                Role::User,
                ContentBlock::resource(resource.with_mime_type("text/plain")),
            ),
            PromptMessage::new_text(Role::User, "Please process the embedded resource above."),
        ]
    }

    #[prompt(description = "One with a picture")]
    async fn test_prompt_with_image(&self) -> Vec<PromptMessage> {
        vec![
            PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
            PromptMessage::new_text(Role::User, "Please analyze the image above."),
        ]
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_completions();
        ServerConfig::new(
            capabilities
                .enable_logging()
                .enable_resources()
                .enable_resources_subscribe()
                .build(),
        )
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = [
            Resource::new("test://static-text", "text").with_mime_type("text/plain"),
            Resource::new("test://static-binary", "binary").with_mime_type("image/png"),
            Resource::new("test://watched-resource", "watched").with_mime_type("text/plain"),
        ];
        Ok(ListResourcesResult::with_all_items(resources.to_vec()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new("test://template/{id}/data", "template");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        ReadResourceRequestParams { uri, .. }: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let id = uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (uri.as_str(), id) {
            ("test://static-binary", _) => {
                ResourceContents::blob(PNG, &*uri).with_mime_type("image/png")
            }
            ("test://static-text" | "test://watched-resource", _) => {
                let text = "This is the content of the static text resource.";
                ResourceContents::text(text, &*uri).with_mime_type("text/plain")
            }
            (_, Some(id)) => {
                let text =
                    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                ResourceContents::text(text.to_string(), &*uri).with_mime_type("application/json")
            }
            _ => {
                return Err(ErrorData::resource_not_found(
                    "there is no such resource",
                    Some(json!({ "uri": uri })),
                ));
            }
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let values = ["paris", "park", "party"].map(str::to_owned).to_vec();
        let completion = CompletionInfo::with_all_values(values);
        completion
            .map(CompleteResult::new)
            .map_err(|why| ErrorData::internal_error(why, None))
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(internal)
}

fn internal(why: impl ToString) -> ErrorData {
    ErrorData::internal_error(why.to_string(), None)
}
