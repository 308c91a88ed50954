//! The methods by their names.

use serde::{Deserialize, Serialize};

/// A method of segmentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The network with deep supervision of Arab et al. 2020.
    CnnDs,
    /// The same without deep supervision: the paper's ablation.
    Cnn,
    /// A 3-D U-Net of overlapping patches: Çiçek et al. 2016.
    PatchUnet,
    /// A 2-D U-Net of slices: Ironside et al. 2019.
    SliceUnet,
    /// A 2-D U-Net of windows of slices: Hssayeni et al. 2020.
    SliceUnetHssayeni,
    /// A forest over 20 predictors of a voxel: Muschelli et al. 2017.
    Pitchperfect,
}

impl Method {
    /// All of them, in the order of the paper's Table 3, then the others.
    pub const ALL: [Self; 6] = [
        Self::PatchUnet,
        Self::SliceUnet,
        Self::Pitchperfect,
        Self::CnnDs,
        Self::Cnn,
        Self::SliceUnetHssayeni,
    ];

    /// Its name on the command line, in reports and in model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::CnnDs => "cnn-ds",
            Self::Cnn => "cnn",
            Self::PatchUnet => "patch-unet",
            Self::SliceUnet => "slice-unet",
            Self::SliceUnetHssayeni => "slice-unet-hssayeni",
            Self::Pitchperfect => "pitchperfect",
        }
    }

    /// The method of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it is a network that `haema_nn` runs and trains.
    pub fn is_network(self) -> bool {
        self != Self::Pitchperfect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_one_in_files() {
        for method in Method::ALL {
            let written = serde_json::to_string(&method).unwrap();

            assert_eq!(written, format!("{:?}", method.name()));
            assert_eq!(Method::named(method.name()), Some(method));
        }
        assert_eq!(Method::named("unet"), None);
    }
}
