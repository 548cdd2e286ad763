//! The console at a terminal: history, completion, and a log that does not disturb.

use std::{
    borrow::Cow,
    fs,
    io::{self, IsTerminal as _, Write},
    path::Path,
    sync::Arc,
};

use reedline::{
    ColumnarMenu, EditCommand, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder as _,
    Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, default_emacs_keybindings,
};

use crate::{Console, Conversation, Ended, Then, completion::NodeCompleter};

/// Lines that are remembered.
const HISTORY: usize = 1000;

const MENU: &str = "names";

pub(crate) fn talk(console: &Console, conversation: Conversation) -> io::Result<Ended> {
    let Conversation {
        history,
        log,
        own_node,
        stop,
    } = conversation;
    let mut editor = editor(console).with_break_signal(stop);
    if let Some(path) = history {
        editor = remember(editor, &path);
    }
    let mut opened = None;
    if let Some(log) = log {
        let (printer, open) = log.open();
        editor = editor.with_external_printer(printer);
        opened = Some(open);
    }
    let prompt = NodePrompt {
        place: console.node.place(),
    };
    writeln!(io::stdout(), "\"help\" lists what can be said here.")?;
    let mut interrupted = false;
    let mut was_told = false;
    let ended = loop {
        match editor.read_line(&prompt)? {
            Signal::Success(line) => {
                interrupted = false;
                if carry_out(console, &line)? == Then::Exit {
                    break Ended::Left;
                }
            }
            Signal::CtrlC if interrupted => break Ended::Interrupted,
            Signal::CtrlC => {
                interrupted = true;
                let what = if own_node { "ends the node" } else { "leaves" };
                writeln!(io::stdout(), "Ctrl-C once more {what}.")?;
            }
            Signal::CtrlD => break Ended::Left,
            Signal::ExternalBreak(_) => {
                was_told = true;
                writeln!(io::stdout())?;
                break Ended::Left;
            }
            // Nothing else is asked for.
            _ => {}
        }
    };
    drop(opened);
    if own_node && ended == Ended::Left && !was_told {
        writeln!(io::stdout(), "The node goes on; Ctrl-C ends it.")?;
    }
    Ok(ended)
}

fn carry_out(console: &Console, line: &str) -> io::Result<Then> {
    let mut output = io::stdout().lock();
    match console.carry_out(line, &mut output) {
        Ok(then) => Ok(then),
        Err(trouble) => {
            writeln!(output, "{trouble}")?;
            Ok(Then::GoOn)
        }
    }
}

fn editor(console: &Console) -> Reedline {
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu(MENU.to_owned()),
            ReedlineEvent::MenuNext,
            ReedlineEvent::Edit(vec![EditCommand::Complete]),
        ]),
    );
    keys.add_binding(
        KeyModifiers::SHIFT,
        KeyCode::BackTab,
        ReedlineEvent::MenuPrevious,
    );
    let menu = ColumnarMenu::default().with_name(MENU);
    Reedline::create()
        .with_completer(Box::new(NodeCompleter::new(Arc::clone(&console.node))))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_ansi_colors(io::stdout().is_terminal())
}

/// Without a history all else works.
fn remember(editor: Reedline, path: &Path) -> Reedline {
    if let Some(directory) = path.parent() {
        let _ = fs::create_dir_all(directory);
    }
    match FileBackedHistory::with_file(HISTORY, path.to_owned()) {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(_) => editor,
    }
}

struct NodePrompt {
    place: String,
}

impl Prompt for NodePrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        format!("plenum {}", self.place).into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "… ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing like ",
        };
        format!("(history: {found}{}) ", search.term).into()
    }
}
