package lab

import (
	"fmt"
	"regexp"
	"strings"
)

// A Step is one command of a session that a document shows, and what the
// document says comes of it.
type Step struct {
	Line    int    // of the document, from 1
	Command string // for bash; may have several lines
	Want    []string
}

// Background says whether the session goes on while the command runs.
func (s Step) Background() bool { return strings.HasSuffix(s.Command, "&") }

// MayFail says whether the document shows that the command fails: by an error,
// or by looking at its exit status.
func (s Step) MayFail(next string) bool {
	for _, l := range s.Want {
		if strings.HasPrefix(l, "error: ") {
			return true
		}
	}
	return strings.HasPrefix(next, "echo $?")
}

// Session finds the commands in the blocks of a Markdown document whose language
// is "console". A line that begins with "$ " or "# " is a command; if a
// backslash or a here-document leaves it unfinished it goes on in the next lines,
// which may begin with "> ". The lines below are what it says, where "..." stands
// for anything: alone on a line for any lines, else for any text. Where nothing
// is below, anything may be said.
func Session(document string) ([]Step, error) {
	var steps []Step
	var here string // the word that ends the here-document that is open
	var open *Step  // the command that is not finished
	inside, indent := false, ""
	for i, line := range lines(document) {
		if !inside {
			if found := fence.FindStringSubmatch(line); found != nil {
				inside, indent, open, here = true, found[1], nil, ""
			}
			continue
		}
		line = strings.TrimRight(strings.TrimPrefix(line, indent), " \t")
		command, isCommand := strings.CutPrefix(line, "$ ")
		if !isCommand {
			command, isCommand = strings.CutPrefix(line, "# ")
		}
		switch {
		case open != nil:
			more := strings.TrimPrefix(line, "> ")
			if line == ">" {
				more = ""
			}
			open.Command += "\n" + more
			if here == "" && !strings.HasSuffix(more, `\`) || here != "" && more == here {
				open, here = nil, ""
			}
		case line == "```":
			inside = false
		case isCommand:
			steps = append(steps, Step{Line: i + 1, Command: command})
			last := &steps[len(steps)-1]
			if found := hereDocument.FindStringSubmatch(command); found != nil {
				open, here = last, found[1]
			} else if strings.HasSuffix(command, `\`) {
				open = last
			}
		case len(steps) == 0 || steps[len(steps)-1].Line < 1:
			return nil, fmt.Errorf("line %d: a console block begins without a command (\"$ \" or \"# \")", i+1)
		default:
			last := &steps[len(steps)-1]
			last.Want = append(last.Want, line)
		}
	}
	if inside {
		return nil, fmt.Errorf("a console block has no end")
	}
	return steps, nil
}

var (
	fence        = regexp.MustCompile("^( *)```console *$")
	hereDocument = regexp.MustCompile(`<<-? *['"]?(\w+)['"]?`)
)

// Matches says whether a command said what the document shows. Blank lines at
// the end and space at the ends of lines do not count.
func (s Step) Matches(said string) bool {
	want := append([]string{}, s.Want...)
	for len(want) > 0 && want[len(want)-1] == "" {
		want = want[:len(want)-1]
	}
	if len(want) == 0 {
		return true
	}
	if s.Background() { // it may go on
		want = append(want, "...")
	}
	got := lines(strings.TrimRight(said, " \t\n"))
	for i := range got {
		got[i] = strings.TrimRight(got[i], " \t\r")
	}
	return match(want, got)
}

func match(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "..." {
		for i := range len(got) + 1 {
			if match(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && matchLine(want[0], got[0]) && match(want[1:], got[1:])
}

// matchLine compares a line, with "..." for any text.
func matchLine(want, got string) bool {
	parts := strings.Split(want, "...")
	if len(parts) == 1 {
		return want == got
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(got, first) {
		return false
	}
	got = got[len(first):]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(got, p)
		if at < 0 {
			return false
		}
		got = got[at+len(p):]
	}
	return strings.HasSuffix(got, last)
}
