package cli

import (
	"bytes"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

func (p *program) hostArmed() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "armed",
		Short: "List hosts that boot once what they boot, and what comes then",
		Long: `List the hosts that were deployed to once: by which configuration they install, to
which one they are switched then, and when at the latest. NOTE tells that an installer
failed, or what a host waits for; also one that is no longer in the server's file.`,
		Example: `  pxe-pilot host armed
  pxe-pilot host armed -o name`,
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	return listing(p, cmd, (*client.Client).Armings, armingsResult)
}

func armingsResult(armings []apiv1.Arming) result {
	r := result{data: apiv1.Armings{Armings: armings}, text: func(b *bytes.Buffer) {
		t := newTable("NAME", "CONFIGURATION", "THEN", "AT THE LATEST", "GENERATION", "NOTE")
		for i := range armings {
			a := &armings[i]
			t.row(a.Name, a.Configuration, a.Then, latestCell(a), strconv.FormatUint(a.Generation, 10), armedNote(a))
		}
		t.write(b)
	}}
	for i := range armings {
		r.names = append(r.names, armings[i].Name)
	}
	return r
}

// latestCell is when a host is switched at the latest.
func latestCell(a *apiv1.Arming) string {
	if a.OnTimeout == "keep" {
		return "never after " + momentCell(a.Until)
	}
	return momentCell(a.Until)
}

func armedNote(a *apiv1.Arming) string {
	switch {
	case a.Suspended != "":
		return "! suspended: " + a.Suspended
	case a.Finished != "":
		return "! done, and could not be switched yet"
	case a.Failure != nil:
		return "! failed: " + a.Failure.Reason
	case isOverdue(a):
		return "! could not be switched yet; 'pxe-pilot host history' tells why"
	}
	return ""
}

// isOverdue says whether the time of an arming is over, and it is not. The clocks of
// the server and of this machine need not agree to the minute.
func isOverdue(a *apiv1.Arming) bool {
	until, err := time.Parse(time.RFC3339, a.Until)
	return err == nil && time.Since(until) > time.Minute
}
