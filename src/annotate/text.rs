//! Words as pixels: fonts, shaping and what to do where no font has a letter. The only file that
//! names `cosmic_text`; where a label stands is `labels`' matter.

use std::collections::HashMap;
use std::sync::Arc;

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{
    Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Hinting, Metrics,
    Shaping, SwashCache, Wrap,
};

use super::AnnotateError;

/// Latin, Greek, Cyrillic and more; see `fonts/LICENSE-DejaVu`.
static DEJAVU_SANS: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");

/// Height of the font's capital letters, as a part of its size.
const CAPITAL: f32 = 0.729;

/// Room between words and the label's edge, as a part of a capital's height. Accents above and
/// tails below lie in it.
const PADDING: f32 = 0.4;

/// Labels that are kept for the next frames.
const KEPT: usize = 4096;

/// Characters of a label that are looked at.
const MAX_CHARACTERS: usize = 200;

/// Words, drawn: how much ink is on each pixel of their label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Width of the label in pixels, room at the sides included.
    pub width: u32,
    /// Height of the label in pixels, the same for all words of a size.
    pub height: u32,
    /// 0 to 255 for each pixel, row by row.
    pub ink: Vec<u8>,
}

/// The fonts and what was drawn with them.
pub struct Fonts {
    system: FontSystem,
    glyphs: SwashCache,
    family: String,
    kept: HashMap<Key, Arc<Words>>,
    /// Whether the system's fonts are loaded: only once a letter is missing, for it takes time.
    has_system_fonts: bool,
    warned: bool,
}

/// What is drawn: the words, the height of a capital and the most pixels across.
type Key = (String, u32, u32);

impl Fonts {
    /// The built-in font and before it, where one is given, the content of a font file.
    ///
    /// # Errors
    /// When the file holds no font.
    pub fn new(file: Option<Vec<u8>>) -> Result<Self, AnnotateError> {
        let mut fonts = Database::new();
        let chosen = match file {
            Some(bytes) => {
                let found = fonts.load_font_source(Source::Binary(Arc::new(bytes)));
                let first = found.first().and_then(|id| fonts.face(*id));
                let family = first.and_then(|face| face.families.first());
                let family = family.map(|(name, _)| name.clone());
                Some(family.ok_or_else(|| AnnotateError("it holds no font".into()))?)
            }
            None => None,
        };
        fonts.load_font_source(Source::Binary(Arc::new(DEJAVU_SANS)));
        let locale = sys_locale::get_locale().unwrap_or_else(|| "en-US".into());
        Ok(Self {
            system: FontSystem::new_with_locale_and_db(locale, fonts),
            glyphs: SwashCache::new(),
            family: chosen.unwrap_or_else(|| "DejaVu Sans".into()),
            kept: HashMap::new(),
            has_system_fonts: false,
            warned: false,
        })
    }

    /// Draws `text` in one line, its capitals `capital` pixels high, its end left out where it is
    /// wider than `most` pixels.
    pub fn draw(&mut self, text: &str, capital: u32, most: u32) -> Arc<Words> {
        let key = (text.to_owned(), capital, most);
        if let Some(words) = self.kept.get(&key) {
            return words.clone();
        }
        let words = Arc::new(self.draw_anew(text, capital, most));
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert(key, words.clone());
        words
    }

    fn draw_anew(&mut self, text: &str, capital: u32, most: u32) -> Words {
        // A line break or a tab in a name would move the rest out of the label.
        let text: String = text
            .chars()
            .filter(|c| !turns(*c))
            .take(MAX_CHARACTERS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let padding = (capital as f32 * PADDING).round().max(1.0);
        let inner = (most as f32 - 2.0 * padding).max(1.0);
        let mut line = self.shape(&text, capital, inner);
        if missing(&line, &text).is_some() && !self.has_system_fonts {
            self.has_system_fonts = true;
            self.system.db_mut().load_system_fonts();
            line = self.shape(&text, capital, inner);
        }
        if let Some(letter) = missing(&line, &text).filter(|_| !self.warned) {
            self.warned = true;
            log::warn!("no font here has '{letter}', a box is drawn instead; give one with --font");
        }
        self.ink(&mut line, capital, padding)
    }

    fn shape(&mut self, text: &str, capital: u32, inner: f32) -> Buffer {
        let size = capital as f32 / CAPITAL;
        let mut line = Buffer::new(&mut self.system, Metrics::new(size, size * 1.5));
        line.set_wrap(Wrap::None);
        line.set_hinting(Hinting::Enabled);
        line.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        line.set_size(Some(inner), None);
        let attributes = Attrs::new().family(Family::Name(&self.family));
        line.set_text(text, &attributes, Shaping::Advanced, None);
        line.shape_until_scroll(&mut self.system, false);
        line
    }

    fn ink(&mut self, line: &mut Buffer, capital: u32, padding: f32) -> Words {
        let across = line.layout_runs().map(|run| run.line_w).fold(0.0, f32::max);
        let base = line.layout_runs().next().map_or(0.0, |run| run.line_y);
        // Right-to-left words start at the right edge of their room.
        let left = line.layout_runs().flat_map(|run| run.glyphs).map(|glyph| glyph.x);
        let left = left.fold(f32::INFINITY, f32::min);
        let left = if left.is_finite() { left } else { 0.0 };
        let width = (across.ceil() + 2.0 * padding) as u32;
        let height = capital + 2 * padding as u32;
        let mut ink = vec![0_u8; width as usize * height as usize];
        let (shift_x, shift_y) =
            ((padding - left) as i32, capital as i32 + padding as i32 - base.round() as i32);
        let black = Color::rgb(0, 0, 0);
        line.draw(&mut self.system, &mut self.glyphs, black, |x, y, w, h, colour| {
            for (x, y) in (0..h as i32).flat_map(|j| (0..w as i32).map(move |i| (x + i, y + j))) {
                let at = (u32::try_from(x + shift_x), u32::try_from(y + shift_y));
                let (Ok(x), Ok(y)) = at else { continue };
                if x < width && y < height {
                    let pixel = &mut ink[(y * width + x) as usize];
                    *pixel = (*pixel).max(colour.a());
                }
            }
        });
        Words { width, height, ink }
    }
}

/// Whether a character only changes the direction of what follows: it would turn the numbers of a
/// label round (Unicode Bidirectional Algorithm, explicit formatting).
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first character that no font has: fonts keep their box for it at place 0.
fn missing(line: &Buffer, text: &str) -> Option<char> {
    let mut glyphs = line.layout_runs().flat_map(|run| run.glyphs);
    let glyph = glyphs.find(|glyph| glyph.glyph_id == 0)?;
    text.get(glyph.start..glyph.end)?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fonts() -> Fonts {
        Fonts { has_system_fonts: true, ..Fonts::new(None).unwrap() }
    }

    fn inked(words: &Words) -> usize {
        words.ink.iter().filter(|ink| **ink > 128).count()
    }

    #[test]
    fn latin_greek_and_cyrillic_come_with_the_program() {
        let mut fonts = fonts();
        for text in ["person 0.88", "Zürich Łódź", "Ελληνικά", "Пешеход"] {
            let words = fonts.draw(text, 12, 1000);
            assert!(inked(&words) > 40, "{text}");
            assert!(!fonts.warned, "{text}");
        }
    }

    #[test]
    fn all_labels_of_a_size_are_equally_high() {
        let mut fonts = fonts();
        let heights = ["a", "Ág", "日"].map(|text| fonts.draw(text, 10, 500).height);
        assert_eq!(heights, [18; 3]);
    }

    #[test]
    fn a_letter_that_no_font_has_is_a_box_and_warned_of_once() {
        let mut fonts = fonts();
        // A private-use character: no font of this list has it.
        let words = fonts.draw("\u{10fffd}", 20, 500);
        assert!(inked(&words) > 20, "an empty label says nothing");
        assert!(fonts.warned);
    }

    #[test]
    fn long_words_are_cut_and_strange_ones_harmless() {
        let mut fonts = fonts();
        for text in ["word ".repeat(5000), "\u{202e}\n\t\0\u{1f600}".into(), String::new()] {
            let words = fonts.draw(&text, 10, 100);
            assert!(words.width <= 101, "{}", words.width);
            assert_eq!(words.ink.len() as u32, words.width * words.height);
        }
    }

    #[test]
    fn marks_of_direction_turn_nothing_round() {
        let mut fonts = fonts();
        assert_eq!(fonts.draw("\u{202e}evil 0.33", 12, 500), fonts.draw("evil 0.33", 12, 500));
    }

    #[test]
    fn combined_letters_are_shaped() {
        let mut fonts = fonts();
        // U+0301 stands over the letter before it and takes no room of its own.
        let (bare, accented) = (fonts.draw("aaaa", 20, 500), fonts.draw("a\u{301}aaa", 20, 500));
        assert_eq!(bare.width, accented.width);
        assert!(inked(&accented) > inked(&bare));
    }

    #[test]
    fn what_is_no_font_is_refused() {
        assert!(Fonts::new(Some(b"no font".to_vec())).is_err());
        assert!(Fonts::new(Some(DEJAVU_SANS.to_vec())).is_ok());
    }
}
