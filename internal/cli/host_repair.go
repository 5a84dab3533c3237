package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) hostRepair() *cobra.Command {
	o := changeOptions{command: "repair"}
	cmd := &cobra.Command{
		Use:   "repair HOST...|--all",
		Short: "Bring the links of hosts into shape without changing what they boot",
		Long: `Bring the links of hosts into canonical shape without changing what they boot:
relative links, one for each MAC address, each further one leading to the first.
So roots made by hand or by the original program are adopted.`,
		Example: `  pxe-pilot host repair h3
  pxe-pilot host repair --all --skip-refused
  pxe-pilot host repair --all --dry-run`,
		ValidArgsFunction: p.complete(true, hostNames),
		Annotations:       map[string]string{changes: "links"},
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case !o.change.All:
			return positional("HOST...")(cmd, args)
		case len(args) > 0:
			return wrongUsage(cmd, "--all and HOST... exclude each other")
		}
		return nil
	}
	o.common(cmd)
	cmd.Flags().BoolVarP(&o.change.All, "all", "a", false, "Repair every host")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		stop := p.waiting(cmd.Context(), changingLinks)
		outcome, err := c.Repair(cmd.Context(), o.to(args))
		stop()
		if err != nil {
			return o.explain(err)
		}
		return p.printOutcome(&o, outcome)
	}
	return cmd
}
