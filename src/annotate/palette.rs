//! Colours that stay with their class or track.

use super::Bgr;

/// The colour of a class or a track by its number: hues a golden angle apart, so that neighbours differ most.
pub(super) fn colour(number: u32) -> Bgr {
    const GOLDEN_ANGLE_DEG: f64 = 137.507_764;
    // Class 0, mostly people, is a green that stands out in streets and rooms alike.
    let hue = (150.0 + f64::from(number) * GOLDEN_ANGLE_DEG) % 360.0;
    from_hue(hue)
}

/// A bright, saturated colour of this hue in degrees (HSV with S 0.85 and V 0.95).
pub(super) fn from_hue(hue: f64) -> Bgr {
    let (saturation, value) = (0.85, 0.95);
    let channel = |n: f64| {
        let k = (n + hue / 60.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    };
    [channel(1.0), channel(3.0), channel(5.0)]
}

/// Black or white, whichever is easier to read on `background` (ITU-R BT.601 luma).
pub(super) fn readable_on(background: Bgr) -> Bgr {
    let [blue, green, red] = background.map(f64::from);
    let luma = 0.114 * blue + 0.587 * green + 0.299 * red;
    if luma > 140.0 { [0; 3] } else { [255; 3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_a_model_have_colours_of_their_own() {
        let mut all: Vec<_> = (0..80).map(colour).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 80);
    }

    #[test]
    fn hues_are_where_they_should_be() {
        let [blue, green, red] = from_hue(0.0);
        assert!(red > green && green == blue, "0 degrees is red");
        let [blue, green, red] = from_hue(120.0);
        assert!(green > red && red == blue, "120 degrees is green");
        assert_eq!(readable_on([0, 255, 255]), [0; 3], "black on yellow");
        assert_eq!(readable_on([255, 0, 0]), [255; 3], "white on blue");
    }
}
