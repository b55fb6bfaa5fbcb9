//! Outputs that several inputs write to together.

use std::fs::File;
use std::sync::Arc;

use super::alerts;
use super::inputs::Job;
use super::outputs::Form;
use crate::config::{Config, RuleConfig, TextTarget};
use crate::exit::Error;
use crate::record::TotalRecord;
use crate::sink::shared::Shared;
use crate::sink::{Item, Sink, SinkError};

/// The outputs that inputs share; none where there is one input.
#[derive(Default)]
pub(super) struct SharedOutputs {
    texts: Vec<Text>,
    /// Who is told of alerts; where `None`, the one input tells them itself.
    couriers: Option<Vec<Shared>>,
}

/// A text that several inputs write.
struct Text {
    form: &'static str,
    target: TextTarget,
    sink: Shared,
}

impl SharedOutputs {
    /// Opens what these inputs share; nothing where there is one input, `alone`.
    ///
    /// # Errors
    /// At the first that cannot be opened.
    pub(super) fn open(jobs: &[Job], alone: bool, stdout: &File) -> Result<Self, Error> {
        let [first, ..] = jobs else { return Ok(Self::default()) };
        if alone {
            return Ok(Self::default());
        }
        let Self { texts, .. } = Self::texts_of(jobs, stdout)?;
        let mut rules: Vec<&RuleConfig> = Vec::new();
        for rule in jobs.iter().flat_map(|job| &job.config.rules) {
            if !rules.iter().any(|known| known.rule.name == rule.rule.name) {
                rules.push(rule);
            }
        }
        let couriers = alerts::couriers(rules.into_iter(), first.config.drain_timeout)?;
        Ok(Self { texts, couriers: Some(couriers.into_iter().map(Shared::new).collect()) })
    }

    /// Opens the texts that these inputs share; nobody is told of alerts.
    ///
    /// # Errors
    /// At the first that cannot be opened.
    pub(super) fn texts_of(jobs: &[Job], stdout: &File) -> Result<Self, Error> {
        let [first, ..] = jobs else { return Ok(Self::default()) };
        let outputs = &first.config.outputs;
        let mut texts: Vec<Text> = Vec::new();
        let live = jobs.iter().any(Job::may_be_live);
        for (i, form) in [Form::Ndjson(outputs.emit), Form::Csv].into_iter().enumerate() {
            for target in jobs.iter().filter_map(|job| job.shareable[i].as_ref()) {
                if texts.iter().any(|known| known.form == form.key() && known.target == *target) {
                    continue;
                }
                let sink = Shared::new(form.open(target, outputs.no_clobber, live, stdout)?);
                texts.push(Text { form: form.key(), target: target.clone(), sink });
            }
        }
        Ok(Self { texts, couriers: None })
    }

    /// The text at `target` for one more input, where it is shared.
    pub(super) fn handle(&self, form: &str, target: &TextTarget) -> Option<Box<dyn Sink>> {
        let text = self.texts.iter().find(|text| text.form == form && text.target == *target)?;
        Some(Box::new(text.sink.handle()))
    }

    /// Who is told of alerts of an input.
    ///
    /// # Errors
    /// As [`alerts::couriers`].
    pub(super) fn couriers(&self, config: &Config) -> Result<Vec<Box<dyn Sink>>, Error> {
        let Some(couriers) = &self.couriers else {
            return alerts::couriers(config.rules.iter(), config.drain_timeout);
        };
        let wanted = if config.rules.is_empty() { &[][..] } else { couriers.as_slice() };
        Ok(wanted.iter().map(|courier| Box::new(courier.handle()) as Box<dyn Sink>).collect())
    }

    /// Why an output that no input can do without is not used any more.
    pub(super) fn has_failed(&self) -> bool {
        self.texts.iter().any(|text| text.sink.has_failed())
    }

    /// Tells those who were told of alerts that no more come, and gives what could not be told.
    pub(super) fn end_couriers(&mut self) -> Vec<SinkError> {
        let couriers = self.couriers.take().into_iter().flatten();
        couriers.filter_map(|courier| courier.finish().err()).collect()
    }

    /// Writes the last record and ends the texts.
    ///
    /// # Errors
    /// At the first that cannot be completed; all are ended.
    pub(super) fn end(self, total: &Arc<TotalRecord>) -> Result<(), SinkError> {
        let mut result = Ok(());
        for text in self.texts {
            // One that failed before has been told of.
            let failed = text.sink.has_failed();
            let written = text.sink.write(&Item::Total(total.clone())).map(|_| ());
            let ended = written.and(text.sink.finish());
            if !failed && result.is_ok() {
                result = ended;
            }
        }
        result
    }
}
