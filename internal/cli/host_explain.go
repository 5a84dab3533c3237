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
		e, err := c.Explain(cmd.Context(), args[0], verify)
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
		for _, v := range s.Servers {
			x.say("", servedLine(v))
		}
		for _, reason := range s.Reasons {
			x.say("reason: ", reason)
		}
		for _, warning := range s.Warnings {
			x.say("warning: ", warning)
		}
		if s.Setup != nil && !s.Setup.Done {
			x.block(setupTitle(s), s.Setup.Text, true)
		}
		if s.Content != "" {
			x.block(fmt.Sprintf("content of %s:", s.Wins), s.Content, x.whole)
		}
	}
}

// prize is what a search ends at, in a word.
func prize(s *apiv1.Search) string {
	switch {
	case s.Configuration != "":
		return s.Configuration
	case s.Wins != "":
		return s.Wins
	}
	return "nothing"
}

// verdict is the answer, in a sentence.
func verdict(e *apiv1.Explanation) string {
	if len(e.Searches) == 0 {
		return fmt.Sprintf("Nothing tells what %s boots: no bootloader counts for it.", e.Name)
	}
	gets := prize(&e.Searches[0])
	verified, served := false, true
	for i := range e.Searches {
		s := &e.Searches[i]
		if prize(s) != gets {
			gets = "" // it depends
		}
		for _, v := range s.Servers {
			verified, served = true, served && v.Served
		}
	}
	var will string
	switch deployed := e.Configuration; {
	case deployed == nil && e.State == string(pxepilot.None):
		will = "Nothing is deployed to " + e.Name
	case deployed == nil:
		will = fmt.Sprintf("The links of %s are %s: %s", e.Name, e.State, meaning[pxepilot.State(e.State)])
	case e.AsDeployed && verified:
		return fmt.Sprintf("%s boots %s, as deployed: every TFTP server gives just that.", e.Name, deployed.Name)
	case e.AsDeployed:
		return fmt.Sprintf("%s boots %s, as deployed.", e.Name, deployed.Name)
	case gets == deployed.Name && verified && !served:
		return fmt.Sprintf("%s will NOT boot %s, which was deployed, from every TFTP server.", e.Name, deployed.Name)
	case gets == deployed.Name:
		return fmt.Sprintf("%s may NOT boot %s, which was deployed.", e.Name, deployed.Name)
	default:
		will = fmt.Sprintf("%s will NOT boot %s, which was deployed", e.Name, deployed.Name)
	}
	if gets == "" {
		return will + ". It depends on the loader and the network card what it gets."
	}
	return fmt.Sprintf("%s. It gets %s.", will, gets)
}

// searchTable has a row for each name that the machine asks for, in order, as far
// as any TFTP server lets it come.
func searchTable(s *apiv1.Search) *table {
	t := newTable("#", "FILE", "FOUND", "CONFIGURATION")
	wins := slices.IndexFunc(s.Asks, func(a apiv1.Ask) bool { return s.Wins != "" && a.Asked && a.Path == s.Wins })
	chrooted := wins
	if s.InChroot != nil {
		chrooted = slices.IndexFunc(s.Asks, func(a apiv1.Ask) bool { return *s.InChroot != "" && a.Path == *s.InChroot })
	}
	for i := 0; i < len(s.Asks); i++ {
		a := &s.Asks[i]
		if !a.Asked && (s.InChroot == nil || chrooted >= 0 && i > chrooted) {
			break
		}
		if n := sameAbsence(s.Asks[i:]); n > 1 {
			t.row(fmt.Sprintf("%d-%d", i+1, i+n), folded(a.Paths[0], s.Asks[i+n-1].Paths[0]), foundWord[a.Found], "")
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
		case a.Note != "":
			found = a.Note
		}
		askRows(t, fmt.Sprint(i+1), a, found)
	}
	return t
}

// foundWord is what is found for a name, as a cell of the table.
var foundWord = map[string]string{
	string(pxepilot.Absent):     "nothing",
	string(pxepilot.Broken):     "a broken link",
	string(pxepilot.Unreadable): "not readable",
	string(pxepilot.NotAFile):   "not a file",
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
// IP address, digit by digit shorter, of which nothing is there.
func sameAbsence(asks []apiv1.Ask) int {
	n := 0
	for _, a := range asks {
		if a.By != string(pxepilot.ByIP) || a.Unknown || a.Found != string(pxepilot.Absent) || len(a.Paths) != 1 {
			break
		}
		n++
	}
	return n
}

// folded is a series of names in short: "pxelinux.cfg/0A6300B9 ... 0".
func folded(first, last string) string {
	return first + " ... " + last[strings.LastIndexAny(last, "/-")+1:]
}

func servedLine(v apiv1.Verification) string {
	switch {
	case v.Served:
		return "SERVED by " + v.Server
	case v.Problem != "":
		return fmt.Sprintf("NOT SERVED by %s: %s", v.Server, v.Problem)
	}
	return fmt.Sprintf("NOT SERVED by %s: it gives %s", v.Server, v.Got)
}

func setupTitle(s *apiv1.Search) string {
	if s.Setup.Path == "" {
		return fmt.Sprintf("%s is to be told so, once for all hosts:", s.Bootloader)
	}
	return fmt.Sprintf("%s must hold this, once for all hosts:", s.Setup.Path)
}

// fewLines is how much of a content is told unasked.
const fewLines = 10

// block tells a text of several lines, unless it was told before.
func (x *explainer) block(title, text string, whole bool) {
	if slices.Contains(x.told, title+text) {
		return
	}
	x.told = append(x.told, title+text)
	x.say("", title)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	left := 0
	if !whole && len(lines) > fewLines {
		left = len(lines) - fewLines
		lines = lines[:fewLines]
	}
	for _, line := range lines {
		x.b.WriteString(strings.TrimRight("    "+cleanBut(strings.TrimSuffix(line, "\r"), "\t"), " ") + "\n")
	}
	if left > 0 {
		fmt.Fprintf(x.b, "    ... and %s (--content shows them)\n", counted(left, "more line"))
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
