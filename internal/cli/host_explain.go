package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (p *program) hostExplain() *cobra.Command {
	var verify, whole bool
	cmd := &cobra.Command{
		Use:   "explain HOST",
		Short: "Explain what a host will really boot, and why",
		Long: `Explain what a host will really boot: the files that each of its loaders asks the
TFTP server for, in order and by each of its network cards, which one it gets,
and why that is not what was deployed, if so. The exit status is 0 where it boots
what was deployed, and 1 where it does not.

With --verify the server fetches those files from the TFTP servers, as the
machine would, and compares them with the disk byte by byte; tftp.address of the
configuration file says where they are. Each of them must give what was deployed.`,
		Example: `  pxe-pilot host explain h3
  pxe-pilot host explain h3 --verify
  pxe-pilot host explain 00:00:00:00:00:33 -o json`,
		Args:              positional("HOST"),
		ValidArgsFunction: p.complete(false, hostNames),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&verify, "verify", false, "Fetch the files from the TFTP servers, too")
	cmd.Flags().BoolVar(&whole, "content", false, fmt.Sprintf("Show all of what the host gets, not the first %d lines only", fewLines))
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		stop := p.waiting(cmd.Context(), "asking what "+args[0]+" gets")
		e, err := c.Explain(cmd.Context(), args[0], verify)
		stop()
		if err != nil {
			return hintedError{err, hintHosts(err)}
		}
		if err := p.print(*form, explained(e, whole)); err != nil {
			return err
		}
		if !e.AsDeployed {
			return silentError(exitFailed)
		}
		return nil
	}
	return cmd
}

func explained(e *apiv1.Explanation, whole bool) result {
	r := result{data: e, text: func(b *bytes.Buffer) { (&explainer{b: b, whole: whole}).write(e) }}
	for _, s := range e.Searches {
		if s.Wins != "" && !slices.Contains(r.names, s.Wins) {
			r.names = append(r.names, s.Wins)
		}
	}
	return r
}

// An explainer writes an explanation for a person: the answer first, then the
// search of each loader and network card, and what several of them have in common
// with the first of those.
type explainer struct {
	b     *bytes.Buffer
	whole bool // all of what the host gets
	told  []string
}

func (x *explainer) write(e *apiv1.Explanation) {
	x.say("", verdict(e))
	for i := range e.Searches {
		s := &e.Searches[i]
		x.b.WriteString("\n")
		x.say("", fmt.Sprintf("%s, by network card %s, gets %s:", s.Bootloader, s.MACAddress, prize(s)))
		searchTable(s).write(x.b)
		if s.Wins != "" && s.InChroot != nil && *s.InChroot == "" {
			x.say("", "It gets nothing from a TFTP server in a chroot.")
		}
		for _, v := range s.Servers {
			x.say("", servedLine(v, gets(e, s)))
		}
		for _, reason := range s.Reasons {
			x.say("reason: ", reason)
		}
		for _, warning := range s.Warnings {
			x.say("warning: ", warning)
		}
		x.notes(s)
		if s.Setup != nil && !s.Setup.Done {
			x.block(setupTitle(s), s.Setup.Text, true)
		}
		if s.Content != "" {
			x.block(contentTitle(s), s.Content, x.whole)
		}
	}
}

// notes tells what is to be known of files that no reason or warning is about. What
// is so for several in a row is told once.
func (x *explainer) notes(s *apiv1.Search) {
	sentences := strings.Join(slices.Concat(s.Reasons, s.Warnings), "\n")
	told := ""
	for i, a := range s.Asks {
		if a.Note != "" && a.Note != told && isAsked(s, i) && !strings.Contains(sentences, a.Path) {
			x.say("note: ", a.Path+": "+a.Note)
			told = a.Note
		}
	}
}

// searchTable has a row for each name that the machine asks for, in order, as far
// as any TFTP server lets it come.
func searchTable(s *apiv1.Search) *table {
	t := newTable("#", "FILE", "FOUND", "CONFIGURATION")
	wins, chrooted := winners(s)
	for i := 0; i < len(s.Asks) && isAsked(s, i); i++ {
		a := &s.Asks[i]
		if n := sameAbsence(s.Asks[i:]); n > 1 {
			t.row(fmt.Sprintf("%d-%d", i+1, i+n), folded(a, &s.Asks[i+n-1]), foundWord[a.Found], "")
			i += n - 1
			continue
		}
		found := foundWord[a.Found]
		switch {
		case i == wins && i == chrooted:
			found = "WINS"
		case i == wins:
			found = "WINS, without a chroot"
		case i == chrooted:
			found = "WINS, in a chroot"
		case a.By == string(pxepilot.ByScript) && i < max(wins, chrooted):
			found = "goes on"
		}
		askRows(t, fmt.Sprint(i+1), a, found)
	}
	return t
}

// winners are the steps at which a search ends; -1 where nothing is left. From a
// TFTP server that is locked into the root it may be another one.
func winners(s *apiv1.Search) (wins, chrooted int) {
	at := func(path string) int {
		return slices.IndexFunc(s.Asks, func(a apiv1.Ask) bool { return path != "" && !a.Unknown && a.Path == path })
	}
	wins = at(s.Wins)
	if s.InChroot == nil {
		return wins, wins
	}
	return wins, at(*s.InChroot)
}

// isAsked says whether a search comes as far as a step from any TFTP server.
func isAsked(s *apiv1.Search, step int) bool {
	_, chrooted := winners(s)
	return s.Asks[step].Asked || s.InChroot != nil && (chrooted < 0 || step <= chrooted)
}

// foundWord is what is found for a name, as a cell of the table.
var foundWord = map[string]string{
	string(pxepilot.Absent):     "nothing",
	string(pxepilot.Broken):     "a broken link",
	string(pxepilot.Unreadable): "not readable",
	string(pxepilot.NotAFile):   "not a file",
	string(pxepilot.Empty):      "an empty file",
	string(pxepilot.Unchrooted): "nothing in a chroot",
	string(pxepilot.Readable):   "a file",
}

// askRows are the rows of one step. The machine asks for one of several names
// where it is not known which.
func askRows(t *table, number string, a *apiv1.Ask, found string) {
	files := a.Paths
	switch {
	case a.Unknown && len(files) == 0:
		files = []string{a.Pattern}
	case a.Unknown:
		t.row(number, a.Pattern, "", "")
		number = ""
		found = "not known whose"
	}
	for i, file := range files {
		row := []string{"", file, "", ""}
		if i == 0 {
			row[0] = number
		} else if !a.Unknown {
			row[1] = "or " + file
		}
		if file == a.Path || i == 0 && a.Path == "" || a.Unknown {
			row[2] = found
		}
		if file == a.Path {
			row[3] = a.Configuration
		}
		t.row(row...)
	}
}

// sameAbsence is how many steps from the first one on are the same in short: the
// IP address, digit by digit shorter, of which the same is found, and no file.
func sameAbsence(asks []apiv1.Ask) int {
	n := 0
	for _, a := range asks {
		absent := !pxepilot.Found(a.Found).IsThere() && a.Found != string(pxepilot.Empty) && a.Found == asks[0].Found && a.Note == asks[0].Note
		if a.By != string(pxepilot.ByIP) || !absent || a.Unknown != (len(a.Paths) == 0) || a.Unknown != asks[0].Unknown || len(a.Paths) > 1 {
			break
		}
		n++
	}
	return n
}

// folded is a series of names in short: "pxelinux.cfg/0A6300B9 ... 0".
func folded(first, last *apiv1.Ask) string {
	if first.Unknown {
		return first.Pattern + ", then fewer"
	}
	return first.Paths[0] + " ... " + last.Paths[0][strings.LastIndexAny(last.Paths[0], "/-")+1:]
}

// gets says whether a search ends at what was deployed, for sure.
func gets(e *apiv1.Explanation, s *apiv1.Search) bool {
	return e.Configuration != nil && s.Configuration == e.Configuration.Name && !s.Unsure
}

// servedLine says what a server gave. To give what the disk has, where that is not
// what was deployed, is not to serve the host.
func servedLine(v apiv1.Verification, deployed bool) string {
	switch {
	case v.Served && !deployed:
		return v.Server + " gives what the disk says"
	case v.Served:
		return "SERVED by " + v.Server
	case strings.Contains(v.Problem, v.Server):
		return "NOT SERVED: " + v.Problem
	case v.Problem != "":
		return fmt.Sprintf("NOT SERVED by %s: %s", v.Server, v.Problem)
	}
	return fmt.Sprintf("NOT SERVED by %s: it gives %s", v.Server, v.Got)
}

func setupTitle(s *apiv1.Search) string {
	if s.Setup.Path == "" {
		return fmt.Sprintf("%s asks so if it is told this, once for all hosts:", s.Bootloader)
	}
	return fmt.Sprintf("%s must hold this, once for all hosts:", s.Setup.Path)
}

// contentTitle names the configuration, for where that is a directory what wins is
// a file in it.
func contentTitle(s *apiv1.Search) string {
	if s.Configuration == "" {
		return fmt.Sprintf("content of %s:", s.Wins)
	}
	return fmt.Sprintf("content of %s for %s:", s.Configuration, s.Bootloader)
}

// fewLines is how much of a content is told unasked.
const fewLines = 10

// block tells a text of several lines, unless it was told before.
func (x *explainer) block(title, text string, whole bool) {
	if slices.Contains(x.told, text) {
		return
	}
	x.told = append(x.told, text)
	x.say("", title)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	cut := false
	if !whole && len(lines) > fewLines {
		lines, cut = lines[:fewLines], true
	}
	for _, line := range lines {
		line = "    " + cleanBut(strings.TrimSuffix(line, "\r"), "\t")
		if !whole && width(line) > columns {
			line, cut = terminal.Truncate(line, columns, "..."), true
		}
		x.b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if cut {
		x.b.WriteString("    (--content shows all of it)\n")
	}
}

// columns is how wide sentences are written.
const columns = 100

// say writes a sentence. What does not fit on a line goes on below, indented.
func (x *explainer) say(kind, sentence string) {
	const indent = "    "
	line := kind
	for i, word := range strings.Split(clean(sentence), " ") {
		switch {
		case i == 0:
			line += word
		case width(line)+1+width(word) > columns:
			x.b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
	}
	x.b.WriteString(line + "\n")
}
