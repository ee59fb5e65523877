//! What a line looks like.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::base::clock::{Clock, Timestamp};
use crate::store::origin;

/// Lines for people: as the logging library writes them, with the request's id at the end.
pub(super) struct TextLine(Format<Full, Time>);

impl TextLine {
    /// With colours, or without.
    pub(super) fn new(colours: bool) -> Self {
        Self(tracing_subscriber::fmt::format().with_timer(Time).with_ansi(colours))
    }
}

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(request) = origin::current().request else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} request={request}", line.trim_end_matches('\n'))
    }
}

/// Lines for machines: one JSON object each, with the event's fields beside `timestamp`, `level`, `target` and, while a
/// request is answered, `request`.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        Time.format_time(&mut writer)?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(metadata.level().as_str())?;
        writer.write_char('"')?;
        let mut members = Members { writer: &mut writer, result: Ok(()) };
        event.record(&mut members);
        members.result?;
        if let Some(request) = origin::current().request {
            write!(writer, ",\"request\":\"{request}\"")?;
        }
        writer.write_str(",\"target\":\"")?;
        writer.write_str(metadata.target())?;
        writer.write_str("\"}\n")
    }
}

/// The time in UTC with milliseconds (RFC 3339 section 5.6).
struct Time;

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        thread_local! {
            /// The last whole second and its text.
            static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
        }
        let now = Clock::System.now();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_secs() {
                (*second, *text) = (now.as_secs(), now.calendar('T'));
            }
            writer.write_str(text)
        })?;
        write!(writer, ".{:03}Z", now.since(Timestamp::from_secs(now.as_secs())).as_millis())
    }
}

/// Writes fields as members of an object that has one already.
struct Members<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Members<'_, '_> {
    fn name(&mut self, field: &Field) {
        // Names of fields are identifiers of ours or of libraries: nothing to escape.
        self.write(|writer| {
            writer.write_str(",\"")?;
            writer.write_str(field.name())?;
            writer.write_str("\":")
        });
    }

    fn write(&mut self, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = write(self.writer);
        }
    }
}

impl Visit for Members<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.write(|writer| string(writer, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        self.write(|writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        self.write(|writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.write(|writer| write!(writer, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        self.write(|writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

fn string(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_str(text)?;
    writer.write_char('"')
}

/// Writes text as the inside of a JSON string (RFC 8259 section 7).
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            match c {
                '"' => self.0.write_str("\\\""),
                '\\' => self.0.write_str("\\\\"),
                '\n' => self.0.write_str("\\n"),
                // Also what would move the cursor of a terminal on which the file is looked at.
                c if c.is_control() => write!(self.0, "\\u{:04x}", u32::from(c)),
                c => self.0.write_char(c),
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::request_id::RequestId;
    use crate::model::event::Origin;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    /// What was written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What `log` writes in this format.
    fn written<F>(format: F, log: impl FnOnce()) -> String
    where
        F: FormatEvent<tracing_subscriber::Registry, tracing_subscriber::fmt::format::DefaultFields>
            + Send
            + Sync
            + 'static,
    {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).event_format(format).with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn with_request(id: RequestId, log: impl Fn()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let origin = Origin { address: None, request: Some(id) };
        runtime.block_on(origin::within(origin, async { log() }));
    }

    #[test]
    fn rfc8259_7_whatever_is_logged_is_one_line_of_json() {
        let odd = "a\"b\\c\nd\r\te\u{1b}[31m\u{85}\u{0}é\u{1f600}\u{7f}";
        let text = written(JsonLine, || {
            tracing::warn!(odd, debug = ?odd, display = %odd, count = 3_u64, less = -1_i64, yes = true, "it's {odd}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["odd"], odd);
        assert_eq!(line["display"], odd);
        assert_eq!(line["debug"], format!("{odd:?}"));
        assert_eq!(line["message"], format!("it's {odd}"));
        assert_eq!((&line["count"], &line["less"], &line["yes"]), (&3.into(), &(-1).into(), &true.into()));
        assert_eq!((line["level"].as_str(), line["target"].as_str()), (Some("WARN"), Some(module_path!())));
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.get(10..11) == Some("T"), "{time}");
        assert_eq!(line.get("request"), None);
    }

    #[test]
    fn a_line_carries_the_id_of_the_request_that_is_being_answered() {
        let id = RequestId::new();
        let text = written(JsonLine, || with_request(id, || tracing::info!("said")));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["request"], id.as_str());
        let text = written(TextLine::new(false), || {
            with_request(id, || tracing::info!(why = "x", "said"));
            tracing::info!("more");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(&format!("said why=\"x\" request={id}")), "{text}");
        assert!(lines[1].ends_with(": more"), "{text}");
    }
}
