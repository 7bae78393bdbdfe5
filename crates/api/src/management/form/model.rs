//! A model to be asked: a target by its name, or a server that the body describes.

use std::fmt;

use control::AdHocTarget;
use domain::WireFormat;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use utoipa::ToSchema;

/// A model to be asked.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ModelForm {
    /// A target by its name, as `GET /targets` lists it.
    Named(String),
    /// A server that the configuration does not name.
    AdHoc(AdHocForm),
}

/// A server that the configuration does not name. Only an admin may put one under load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, DeriveDeserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdHocTarget)]
pub struct AdHocForm {
    /// Where it is, such as `http://127.0.0.1:8000`. Redirects are not followed.
    pub url: String,
    /// What requests call the model.
    pub model: String,
    /// What the benchmark calls it; `MODEL@HOST:PORT` where nothing is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who serves it; told by the host where nothing is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// How it is spoken to; told by the URL where nothing is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointForm>,
    /// Where it is on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The variable of the server's environment that holds its key: one that `ad_hoc_keys` of the
    /// configuration lists. The key itself has no place in a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, DeriveDeserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointForm {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/messages`
    Messages,
}

impl ModelForm {
    /// What the benchmark calls it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::AdHoc(form) => form.name.clone().unwrap_or_else(|| form.usual_name()),
        }
    }
}

impl AdHocForm {
    fn usual_name(&self) -> String {
        let uri = self.url.parse::<http::Uri>().ok();
        let authority = uri.as_ref().and_then(http::Uri::authority).map_or("", |all| all.as_str());
        // Credentials have no place in a URL, and still less in a name.
        let host = authority.rsplit('@').next().unwrap_or_default();
        format!("{}@{host}", self.model)
    }

    /// The same with its name filled in.
    pub(super) fn effective(&mut self) {
        self.name = Some(self.name.take().unwrap_or_else(|| self.usual_name()));
    }

    pub(super) fn target(&self, name: &str) -> AdHocTarget {
        AdHocTarget {
            name: name.to_owned(),
            url: self.url.clone(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            format: self.endpoint.map(|endpoint| match endpoint {
                EndpointForm::Chat => WireFormat::OpenAiChat,
                EndpointForm::Completions => WireFormat::OpenAiCompletions,
                EndpointForm::Messages => WireFormat::AnthropicMessages,
            }),
            region: self.region.clone(),
            key_env: self.key_env.clone(),
        }
    }

    /// Each text that figures are labelled with.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [("provider", &self.provider), ("region", &self.region)];
        let given = optional.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
        given.chain([("model", &*self.model)])
    }
}

impl<'de> Deserialize<'de> for ModelForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads either form, and says of what is neither what was expected.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = ModelForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a target's name, or an object with `url` and `model`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ModelForm, E> {
        Ok(ModelForm::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelForm, A::Error> {
        AdHocForm::deserialize(MapAccessDeserializer::new(map)).map(ModelForm::AdHoc)
    }
}
