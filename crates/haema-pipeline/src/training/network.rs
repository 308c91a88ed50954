//! The networks that can be trained.

use haema_methods::Method;
use haema_methods::cnn_ds::{CnnDs, DeepSupervision};
use haema_methods::unet::{Family, UNet};
use haema_nn::NetSpec;
use serde::{Deserialize, Serialize};

/// A network by its settings; which one it is, they tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Network {
    /// CNN-DS, or that without deep supervision.
    CnnDs(CnnDs),
    /// One of the U-Nets that it is compared with.
    UNet(UNet),
}

impl Network {
    /// The network as a list of blocks.
    pub fn spec(&self) -> NetSpec {
        match self {
            Self::CnnDs(network) => network.spec(),
            Self::UNet(network) => network.spec(),
        }
    }

    /// Levels, the finest counted too.
    pub fn depth(&self) -> usize {
        match self {
            Self::CnnDs(network) => network.depth,
            Self::UNet(network) => network.levels,
        }
    }

    /// Probability that training drops a channel or a voxel.
    pub fn dropout(&self) -> f32 {
        match self {
            Self::CnnDs(network) => network.dropout,
            Self::UNet(network) => network.dropout,
        }
    }

    /// The same network with other such settings.
    #[must_use]
    pub fn with(&self, depth: usize, dropout: f32) -> Self {
        match self.clone() {
            Self::CnnDs(network) => Self::CnnDs(CnnDs { depth, dropout, ..network }),
            Self::UNet(network) => Self::UNet(UNet { levels: depth, dropout, ..network }),
        }
    }

    /// The method whose network it is.
    pub fn method(&self) -> Method {
        match self {
            Self::CnnDs(network) if network.deep_supervision == DeepSupervision::Sum => {
                Method::CnnDs
            }
            Self::CnnDs(_) => Method::Cnn,
            Self::UNet(UNet { family: Family::Patch, .. }) => Method::PatchUnet,
            Self::UNet(UNet { head_channels: None, .. }) => Method::SliceUnet,
            Self::UNet(_) => Method::SliceUnetHssayeni,
        }
    }
}

impl From<CnnDs> for Network {
    fn from(network: CnnDs) -> Self {
        Self::CnnDs(network)
    }
}

impl From<UNet> for Network {
    fn from(network: UNet) -> Self {
        Self::UNet(network)
    }
}
