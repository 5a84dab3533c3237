package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) hostClear() *cobra.Command {
	o := changeOptions{command: "clear"}
	cmd := &cobra.Command{
		Use:   "clear HOST...",
		Short: "Remove the links of hosts, which then boot their loader's default",
		Long: `Remove the links of hosts. The machines then fall back to the default of their
loader (for PXELINUX the file pxelinux.cfg/default), which is not booting
locally: it may well install them anew. To make them boot from their disks,
deploy a configuration that says so.`,
		Example: `  pxe-pilot host clear h2
  pxe-pilot host clear h2 h3 --dry-run`,
		Args:              positional("HOST..."),
		ValidArgsFunction: p.complete(true, hostNames),
		Annotations:       map[string]string{changes: "links"},
	}
	o.common(cmd)
	o.forced(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		stop := p.waiting(cmd.Context(), changingLinks)
		outcome, err := c.Clear(cmd.Context(), o.to(args))
		stop()
		if err != nil {
			return o.explain(err)
		}
		return p.printOutcome(&o, outcome)
	}
	return cmd
}

// noteFallback says what clearing means, for many take it for "boot locally".
func (p *program) noteFallback(hosts []string, dryRun bool) {
	if len(hosts) == 0 {
		return
	}
	when := "from now on"
	if dryRun {
		when = "after that"
	}
	p.say("note", fmt.Sprintf("%s the loader's default decides what %s boots; that is not booting locally", when, someOf(hosts)))
}
