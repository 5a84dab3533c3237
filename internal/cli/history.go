package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (p *program) history() *cobra.Command {
	o := historyOptions{}
	cmd := &cobra.Command{
		Use:   "history [ID]",
		Short: "Tell what was switched, by whom and why, the latest first",
		Long: `Tell what was switched, by whom and why, the latest first: by commands and calls
of the API, by installers, by the server itself, and by hand, which the server
notices. With ID it tells all of that entry, each of its hosts and the log that
a machine sent. What begins with "!" somebody should look at.`,
		Example: `  pxe-pilot history
  pxe-pilot history --host h7 --since 24h
  pxe-pilot history --actor hand --since 2026-11-20
  pxe-pilot history 17`,
		GroupID:           groupID(askGroup),
		Args:              optional("ID"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&o.ask.Host, "host", "", "Only what is about this `HOST`")
	_ = cmd.RegisterFlagCompletionFunc("host", p.completeOption(hostNames))
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return p.tellHistory(cmd, &o, historyTable)
		}
		for _, name := range []string{"host", "since", "actor", "before", "limit"} {
			if cmd.Flags().Changed(name) {
				return wrongUsage(cmd, "ID and --%s exclude each other", name)
			}
		}
		id, ok := entryID(args[0])
		if !ok {
			return wrongUsage(cmd, "ID is %s; want a number, or --host HOST for what is about a host", pxepilot.Quote(args[0]))
		}
		return p.tellEntry(cmd, id, *o.form)
	}
	return cmd
}

func (p *program) hostHistory() *cobra.Command {
	o := historyOptions{}
	cmd := &cobra.Command{
		Use:   "history HOST",
		Short: "Tell what a host was switched to, by whom and why, the latest first",
		Long: `Tell what a host was switched to, by whom and why, the latest first. Also a host
that is no longer in the server's file may be named. What begins with "!" somebody
should look at.`,
		Example: `  pxe-pilot host history h7
  pxe-pilot host history h7 --since 7d`,
		Args:              positional("HOST"),
		ValidArgsFunction: p.complete(false, hostNames),
	}
	cmd.Flags().SortFlags = false
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.ask.Host = args[0]
		return p.tellHistory(cmd, &o, hostHistoryTable)
	}
	return cmd
}

// historyOptions are the options of both.
type historyOptions struct {
	ask    apiv1.HistoryOptions
	before int
	form   *format
}

func (o *historyOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.ask.Since, "since", "", "Only what happened since `TIME`: 24h, 7d, 2026-11-20 or 2026-11-20T18:00:00Z")
	cmd.Flags().StringVar(&o.ask.Actor, "actor", "", "Only what `ACTOR` did: api, hand, timer or 'host h1'")
	_ = cmd.RegisterFlagCompletionFunc("since", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("actor", cobra.FixedCompletions([]string{"api", "hand", "timer"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().IntVar(&o.before, "before", 0, "Only entries before `ID`")
	cmd.Flags().IntVar(&o.ask.Limit, "limit", 100, "At most `N` entries, up to 1000")
	o.form = withOutput(cmd)
}

func (p *program) tellHistory(cmd *cobra.Command, o *historyOptions, text func(*apiv1.History) *table) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	c, err := p.connect(cmd)
	if err != nil {
		return err
	}
	told, err := c.History(cmd.Context(), o.ask)
	if err != nil {
		return hintedError{err, hintHosts(err)}
	}
	r := result{data: told, text: func(b *bytes.Buffer) { text(told).write(b) }}
	for i := range told.Entries {
		r.names = append(r.names, strconv.FormatInt(told.Entries[i].ID, 10))
	}
	if err := p.print(*o.form, r); err != nil {
		return err
	}
	if n := len(r.names); told.Earlier && n > 0 {
		p.say("note", "there are earlier entries: --before "+r.names[n-1])
	}
	return nil
}

// check refuses what the server would, in the words of the options, and makes a
// moment of a date, which is one of this machine's time zone.
func (o *historyOptions) check(cmd *cobra.Command) error {
	for _, name := range []string{"host", "since", "actor"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return wrongUsage(cmd, "--%s is empty", name)
		}
	}
	o.ask.Before = int64(o.before)
	for _, name := range []string{"before", "limit"} {
		if f := cmd.Flags().Lookup(name); f.Changed && (f.Value.String() == "0" || strings.HasPrefix(f.Value.String(), "-")) {
			return wrongUsage(cmd, "--%s is %s; want a number from 1 on", name, f.Value)
		}
	}
	if day, err := time.ParseInLocation(time.DateOnly, o.ask.Since, time.Local); err == nil {
		o.ask.Since = day.Format(time.RFC3339)
	}
	if ago, err := pxepilot.ParseDuration(o.ask.Since); err == nil && ago >= 0 || o.ask.Since == "" {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, o.ask.Since); err != nil {
		return wrongUsage(cmd, "--since is %s; want a time before now such as 24h or 7d, or a moment such as 2026-11-20 or 2026-11-20T18:00:00Z", pxepilot.Quote(o.ask.Since))
	}
	return nil
}

// entryID is the ID that arg is, if any.
func entryID(arg string) (int64, bool) {
	id, err := strconv.ParseInt(arg, 10, 64)
	return id, err == nil && id > 0
}

func historyTable(h *apiv1.History) *table {
	t := newTable("ID", "TIME", "WHO", "WHAT", "HOSTS", "RESULT", "WHY")
	for i := range h.Entries {
		e := &h.Entries[i]
		t.row(strconv.FormatInt(e.ID, 10), momentCell(e.At), whoCell(e), whatCell(e), hostsCell(e), resultCell(e, e.Result), whyCell(e))
	}
	return t
}

// hostHistoryTable is about the first host of each entry, which is the one that was
// asked for.
func hostHistoryTable(h *apiv1.History) *table {
	t := newTable("ID", "TIME", "WHO", "WHAT", "BEFORE", "AFTER", "RESULT", "WHY")
	for i := range h.Entries {
		e := &h.Entries[i]
		var s apiv1.Switch
		if len(e.Hosts) > 0 {
			s = e.Hosts[0]
		}
		t.row(strconv.FormatInt(e.ID, 10), momentCell(e.At), whoCell(e), whatCell(e), bootCell(s.Before), bootCell(s.After), resultCell(e, resultOf(e, s)), whyCell(e))
	}
	return t
}

// momentCell is a moment in this machine's time zone.
func momentCell(at string) string {
	then, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return at
	}
	return then.Local().Format(time.DateTime)
}

func whoCell(e *apiv1.Entry) string { return strings.TrimSpace(e.Actor + " " + e.From) }

func whatCell(e *apiv1.Entry) string {
	what := e.What
	if e.Undoes != 0 {
		what += fmt.Sprintf(" %d", e.Undoes)
	}
	return strings.TrimSpace(what + " " + e.Configuration)
}

// hostsCell names a few hosts, and counts many.
func hostsCell(e *apiv1.Entry) string {
	const most = 3
	var names []string
	for _, s := range e.Hosts {
		names = append(names, s.Host)
	}
	if e.Count <= most {
		return strings.Join(names, " ")
	}
	if len(names) == 0 {
		return fmt.Sprintf("%d hosts", e.Count)
	}
	return fmt.Sprintf("%s and %d more", names[0], e.Count-1)
}

// resultCell marks what somebody should look at.
func resultCell(e *apiv1.Entry, result string) string {
	if e.Loud {
		return "! " + result
	}
	return result
}

func resultOf(e *apiv1.Entry, s apiv1.Switch) string {
	if s.Result != "" {
		return s.Result
	}
	return e.Result
}

func whyCell(e *apiv1.Entry) string {
	if e.Why != "" && e.Error != "" {
		return e.Why + "; " + e.Error
	}
	return e.Why + e.Error
}

// bootCell is what a host booted, as in lists of hosts: a state in parentheses where
// it is no configuration.
func bootCell(b apiv1.Boot) string {
	switch b.State {
	case string(pxepilot.Configured):
		return b.Configuration
	case string(pxepilot.None), "":
		return ""
	}
	return "(" + b.State + ")"
}

func (p *program) tellEntry(cmd *cobra.Command, id int64, form format) error {
	c, err := p.connect(cmd)
	if err != nil {
		return err
	}
	e, err := c.HistoryEntry(cmd.Context(), id)
	if err != nil {
		return err
	}
	return p.print(form, result{
		data:  e,
		names: []string{strconv.FormatInt(e.ID, 10)},
		text:  func(b *bytes.Buffer) { writeEntry(b, e) },
	})
}

func writeEntry(b *bytes.Buffer, e *apiv1.Entry) {
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-8s %s\n", name+":", clean(value))
		}
	}
	fact("Entry", strconv.FormatInt(e.ID, 10))
	fact("Time", momentCell(e.At))
	fact("Who", whoCell(e))
	fact("What", whatCell(e))
	fact("Result", resultCell(e, e.Result))
	fact("Why", e.Why)
	fact("Error", e.Error)
	if len(e.Hosts) > 0 {
		header := []string{"HOST", "BEFORE", "AFTER", "RESULT"}
		once := slices.ContainsFunc(e.Hosts, func(s apiv1.Switch) bool { return onceCell(s) != "" })
		if once {
			header = append(header, "ONCE")
		}
		t := newTable(header...)
		for _, s := range e.Hosts {
			row := []string{s.Host, bootCell(s.Before), bootCell(s.After), resultOf(e, s)}
			if once {
				row = append(row, onceCell(s))
			}
			t.row(row...)
		}
		t.write(b)
	}
	if e.Log != "" {
		b.WriteString("Log:\n" + indented(e.Log))
	}
}

// indented is the lines of a text, each behind four spaces.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + cleanBut(strings.TrimRight(line, "\r\n"), "\t") + "\n")
	}
	return b.String()
}
