//! The settings of each method, from the paper's to those that a test can afford.

use haema_methods::cnn_ds::{CnnDs, DeepSupervision, Profile};
use haema_methods::frame::{Planes, Preprocessing};
use haema_methods::pitchperfect::Settings;
use haema_methods::unet::UNet;
use haema_methods::{Method, Recipe, View};
use haema_nn::{Loss, NormSpec, Statistics};
use serde::{Deserialize, Serialize};

use super::config::{Schedule, TrainConfig};
use super::network::Network;

/// How large a network is, and how long it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The closest reading of the paper and of what it cites.
    Paper,
    /// What we believe works best.
    Recommended,
    /// As recommended, with half the channels (CNN-DS) or a quarter (U-Nets): trains on two cores.
    Compact,
    /// Hardly a network: shows in a minute that everything runs.
    Tiny,
}

/// The brain window of Hssayeni et al.: level 40, width 120.
const HSSAYENI_HU: [f32; 2] = [-20.0, 100.0];
/// The window of the slice-based U-Net.
const SLICE_HU: [f32; 2] = [30.0, 130.0];
/// Radius of the disc that its training masks are closed by.
const LABEL_CLOSING_MM: f64 = 1.0;

impl TrainConfig {
    /// The settings of a method's training; none for a method that is no network.
    ///
    /// # Source
    ///
    /// methods.md A.6, A.7, C1 and C2. Where a baseline's sources are silent (loss, initialisation, what
    /// is varied), its recommended settings are those of CNN-DS, so that the comparison is one of methods.
    pub fn preset(method: Method, preset: Preset) -> Option<Self> {
        let config = match method {
            Method::CnnDs => cnn_ds(preset, DeepSupervision::Sum),
            Method::Cnn => cnn_ds(preset, DeepSupervision::None),
            Method::PatchUnet => patches(preset),
            Method::SliceUnet => slices(preset),
            Method::SliceUnetHssayeni => windows(preset),
            Method::Pitchperfect => return None,
        };
        Some(config)
    }
}

/// The settings of `PItcHPERFeCT`.
pub fn pitchperfect_preset(preset: Preset, seed: u64) -> Settings {
    let settings = match preset {
        Preset::Paper => Settings::paper(),
        Preset::Recommended | Preset::Compact => Settings::compact(),
        Preset::Tiny => Settings::tiny(),
    };
    Settings { seed, ..settings }
}

fn cnn_ds(preset: Preset, deep_supervision: DeepSupervision) -> TrainConfig {
    let profile = if preset == Preset::Paper { Profile::Paper } else { Profile::Recommended };
    let config = TrainConfig::profile(profile);
    let Network::CnnDs(own) = config.network.clone() else { return config };
    let own = CnnDs { deep_supervision, ..own };
    let network = match preset {
        Preset::Paper | Preset::Recommended => own,
        Preset::Compact => CnnDs { base: own.base / 2, ..own },
        Preset::Tiny => CnnDs { base: 4, depth: 3, ..own },
    };
    let config = TrainConfig { network: network.into(), ..config };
    if preset == Preset::Tiny { tiny(config) } else { config }
}

/// What the tiny presets share: a coarse grid and few epochs.
fn tiny(config: TrainConfig) -> TrainConfig {
    let planes = Planes::Slabs { pitch_mm: 5.0, multiple_of: 8, at_least: 16, at_most: 40 };
    TrainConfig {
        epochs: TINY_EPOCHS,
        learning_rate: 5e-3,
        average_decay: 0.9,
        painted_bleeds: None,
        preprocessing: Preprocessing { in_plane: [64, 48], planes, ..Preprocessing::recommended() },
        ..config
    }
}

/// Enough for a tiny network to find bright bleeds.
const TINY_EPOCHS: u32 = 8;

/// What a baseline's sources leave open is as for CNN-DS.
fn baseline(unet: UNet, preset: Preset) -> TrainConfig {
    let network = match preset {
        Preset::Paper | Preset::Recommended => unet,
        Preset::Compact => unet.compact(),
        Preset::Tiny => UNet { base: 4, levels: 3, norm: unet.norm.map(hurried), ..unet },
    };
    let profile = if preset == Preset::Paper { Profile::Paper } else { Profile::Recommended };
    let config = TrainConfig::profile(profile);
    let config = if preset == Preset::Tiny { tiny(config) } else { config };
    TrainConfig { network: network.into(), ..config }
}

/// Running statistics that a hundred steps move to where they belong.
fn hurried(norm: NormSpec) -> NormSpec {
    match norm.statistics {
        Statistics::Running { .. } => {
            NormSpec { statistics: Statistics::Running { momentum: 0.8 }, ..norm }
        }
        Statistics::Own => norm,
    }
}

/// Patches are trained one at a time, and normalised by their own statistics, as Çiçek's are at test.
fn patches(preset: Preset) -> TrainConfig {
    let unet = UNet::patch();
    let norm = unet.norm.map(|norm| NormSpec { statistics: Statistics::Own, ..norm });
    let config = baseline(UNet { norm, ..unet }, preset);
    match preset {
        Preset::Paper => TrainConfig {
            learning_rate: 1e-5,
            loss: Loss::DiceForeground,
            recipe: Recipe::patches(),
            ..config
        },
        Preset::Tiny => {
            let view = View::Patches { side: 32, overlap: 8 };
            TrainConfig { recipe: Recipe { view, ..Recipe::patches() }, ..config }
        }
        Preset::Recommended | Preset::Compact => TrainConfig {
            preprocessing: Preprocessing::paper(),
            recipe: Recipe::patches(),
            painted_bleeds: None,
            ..config
        },
    }
}

fn slices(preset: Preset) -> TrainConfig {
    let unet = UNet::slice();
    let unet = if preset == Preset::Recommended { UNet { base: 32, ..unet } } else { unet };
    let config = baseline(unet, preset);
    let side = match preset {
        Preset::Paper => 512,
        Preset::Recommended | Preset::Compact => 256,
        Preset::Tiny => 64,
    };
    let config = TrainConfig {
        preprocessing: Preprocessing::slices(side, SLICE_HU),
        recipe: Recipe::slices(),
        label_closing_mm: Some(LABEL_CLOSING_MM),
        painted_bleeds: None,
        ..config
    };
    if preset == Preset::Paper { as_cited(config, 1e-4, 100) } else { config }
}

fn windows(preset: Preset) -> TrainConfig {
    let side = match preset {
        Preset::Paper => 640,
        Preset::Recommended => 320,
        Preset::Compact => 256,
        Preset::Tiny => 64,
    };
    let unet = UNet::slice_hssayeni();
    let unet = if preset == Preset::Recommended { UNet { base: 32, ..unet } } else { unet };
    let config = TrainConfig {
        preprocessing: Preprocessing::slices(side, HSSAYENI_HU),
        recipe: Recipe::windows(side / 4),
        painted_bleeds: None,
        ..baseline(unet, preset)
    };
    if preset == Preset::Paper { as_cited(config, 1e-5, 100) } else { config }
}

/// The slice-wise papers' rate, with what methods.md C2 has for what they do not state.
fn as_cited(config: TrainConfig, learning_rate: f64, epochs: u32) -> TrainConfig {
    TrainConfig {
        learning_rate,
        epochs,
        loss: Loss::DiceCe { weight: 1.0 },
        skip_blank: false,
        schedule: Schedule::Plateau { patience: 10, factor: 0.5, stop_after: 50 },
        ..config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESETS: [Preset; 4] =
        [Preset::Paper, Preset::Recommended, Preset::Compact, Preset::Tiny];

    #[test]
    fn every_network_has_presets_that_fit_their_tiles_and_can_be_read_again() {
        for method in Method::ALL.into_iter().filter(|method| method.is_network()) {
            for preset in PRESETS {
                let config = TrainConfig::preset(method, preset).unwrap();
                let [rows, columns] = config.preprocessing.in_plane;
                let tile = config.recipe.view.tile_size([64, rows, columns]);

                assert_eq!(config.network.method(), method);
                assert!(
                    config.network.spec().shapes(tile).is_ok(),
                    "{method:?} {preset:?} {tile:?}"
                );
                let text = toml::to_string_pretty(&config).unwrap();
                assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config, "{text}");
            }
        }
        assert_eq!(TrainConfig::preset(Method::Pitchperfect, Preset::Paper), None);
    }

    #[test]
    fn cnn_ds_is_trained_as_its_profiles_say_and_old_configurations_read_the_same() {
        for (profile, preset) in
            [(Profile::Paper, Preset::Paper), (Profile::Recommended, Preset::Recommended)]
        {
            let config = TrainConfig::preset(Method::CnnDs, preset).unwrap();

            assert_eq!(config, TrainConfig::profile(profile));
            let text = toml::to_string_pretty(&config).unwrap();
            assert!(!text.contains("recipe") && !text.contains("closing"), "{text}");
        }
    }
}
