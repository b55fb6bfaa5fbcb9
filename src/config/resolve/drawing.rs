//! What is drawn, from text to checked values.

use super::super::layer::Origin;
use super::super::units::{self, Expected};
use super::super::{ConfigError, Drawing};
use super::{Resolver, refused};
use crate::annotate::{ColourBy, Mark, Style};

/// What is drawn on pictures.
pub(super) fn drawing(take: &mut Resolver<'_>) -> Result<Drawing, ConfigError> {
    let origin = take.given("draw").map_or(Origin::Default, |given| given.origin);
    let words = take.list("draw")?.unwrap_or_default();
    let mark = units::one_of(&Mark::WORDS);
    let marks = match words.as_slice() {
        [none] if none == "none" => Vec::new(),
        words => words
            .iter()
            .map(|word| mark(word).map_err(|expected| refused("draw", &origin, &expected, word)))
            .collect::<Result<_, _>>()?,
    };
    let style = Style {
        marks,
        colour: take.value("color", colour_by)?,
        line_width: take.optional("line-width", units::whole(1, 100))?,
        font_scale: take.value("font-scale", font_scale)?,
    };
    let hidden = take.list("blur-classes")?;
    if hidden.is_some() && !style.has(Mark::Blur) && !style.has(Mark::Pixelate) {
        let (classes, draw) = (take.name_of("blur-classes"), take.name_of("draw"));
        let error = ConfigError::new(format!("{classes} hides nothing without blur or pixelate"));
        return Err(error.with_hint(format!("add one of them to {draw}")));
    }
    Ok(Drawing { style, font: take.optional("font", units::path)?, hidden })
}

/// `class`, `track`, or a colour in CSS's words.
fn colour_by(text: &str) -> Result<ColourBy, Expected> {
    match text {
        "class" => Ok(ColourBy::Class),
        "track" => Ok(ColourBy::Track),
        _ => {
            let expected = "must be class, track, or a colour such as red or #ff8800";
            let colour = csscolorparser::parse(text).map_err(|_| expected)?;
            let [red, green, blue, opacity] = colour.to_rgba8();
            if opacity < u8::MAX {
                return Err("must be a colour that covers".into());
            }
            Ok(ColourBy::Fixed([blue, green, red]))
        }
    }
}

fn font_scale(text: &str) -> Result<f64, Expected> {
    let scale = units::positive(text).ok().filter(|scale| (0.2..=20.0).contains(scale));
    scale.ok_or_else(|| "must be a number from 0.2 to 20".into())
}
