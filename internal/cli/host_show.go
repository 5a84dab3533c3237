package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (p *program) hostShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show HOST",
		Short: "Show everything about a host, link by link",
		Long: `Show everything about a host, link by link. A host is named by its name or by one
of its MAC addresses.`,
		Example: `  pxe-pilot host show h3
  pxe-pilot host show 00:00:00:00:00:33 -o yaml`,
		Args:              positional("HOST"),
		ValidArgsFunction: p.complete(false, hostNames),
	}
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		h, err := c.Host(cmd.Context(), args[0])
		if err != nil {
			return hintedError{err, hintHosts(err)}
		}
		return p.print(*form, result{
			data:  h,
			names: []string{h.Name},
			text:  func(b *bytes.Buffer) { writeHost(b, h) },
		})
	}
	return cmd
}

// meaning says what a state is where its name does not.
var meaning = map[pxepilot.State]string{
	pxepilot.Configured: "all its links lead to its configuration",
	pxepilot.None:       "it has no links, and boots its loader's default",
	pxepilot.Partial:    "some of its links are missing",
	pxepilot.Mixed:      "its links lead to different configurations",
	pxepilot.Dangling:   "a link leads to nothing",
	pxepilot.Foreign:    "a link leads to what is not a configuration of its loader",
	pxepilot.Unmanaged:  "something that is not a link stands in a link's place",
	pxepilot.Entangled:  "a link leads through another host's",
}

// repairable are the states in which a repair can tell what is meant to boot.
var repairable = map[pxepilot.State]bool{pxepilot.Configured: true, pxepilot.Partial: true, pxepilot.Entangled: true}

func writeHost(b *bytes.Buffer, h *apiv1.Host) {
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%-15s %s\n", name+":", clean(value))
		}
	}
	state := pxepilot.State(h.State)
	fact("Name", h.Name)
	if h.Configuration != nil {
		fact("Configuration", h.Configuration.Name)
	}
	fact("State", strings.TrimSuffix(fmt.Sprintf("%s (%s)", state, meaning[state]), " ()"))
	if !h.Canonical && repairable[state] {
		fact("Repair", "'pxe-pilot host repair' brings the links into shape without changing what boots")
	}
	fact("MAC addresses", macCell(h))
	fact("Bootloaders", strings.Join(h.Bootloaders, ", "))
	fact("Labels", labels(h.Labels))
	if h.IPMI != nil {
		fact("IPMI MAC", h.IPMI.MACAddress)
		fact("IPMI host", h.IPMI.Hostname)
	}
	armedFacts(fact, h.Armed)
	fact("Power state", powerFact(h))
	fact("Power problem", h.PowerProblem)
	fact("Last fetched", fetchFact(h.LastFetch))
	t := newTable("BOOTLOADER", "MAC ADDRESS", "LINK", "TARGET", "STATE", "CONFIGURATION", "THROUGH")
	for _, l := range h.Links {
		t.row(l.Bootloader, l.MACAddress, l.Path, l.Target, l.State, l.Configuration, strings.Join(l.Through, " | "))
	}
	t.write(b)
}

// powerFact is the power state with its age, for it is not asked anew for a list.
func powerFact(h *apiv1.Host) string {
	if ago := age(h.PowerStateAt); ago != "" {
		return h.PowerState + " (" + ago + ")"
	}
	return h.PowerState
}

// age says how long ago something was. The clocks of the server and of this machine
// need not agree.
func age(at string) string {
	then, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return ""
	}
	if age := time.Since(then); age >= time.Second {
		return age.Truncate(time.Second).String() + " ago"
	}
	return "just now"
}

// fetchFact is what the host fetched last over HTTP, when, and who asked for it.
func fetchFact(f *apiv1.LastFetch) string {
	if f == nil {
		return ""
	}
	what := cmp.Or(f.Configuration, "what is no configuration")
	if f.Status >= 400 {
		what = fmt.Sprintf("nothing (%d)", f.Status)
	}
	if f.Bootloader != "" {
		what += " for " + f.Bootloader
	}
	by := f.By
	if f.Agent != "" {
		by += " (" + f.Agent + ")"
	}
	return strings.TrimSuffix(what+", "+age(f.At), ", ") + ", by " + by + ", as " + f.Path
}

func labels(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ", ")
}
