package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) configDeploy() *cobra.Command {
	o := changeOptions{command: "deploy"}
	cmd := &cobra.Command{
		Use:   "deploy CONFIG HOST...",
		Short: "Make hosts boot a configuration from now on",
		Long: `Make hosts boot a configuration from now on. A host is named by its name or by
one of its MAC addresses. Either all hosts are switched or none: one that is
refused refuses all, unless --skip-refused.`,
		Example: `  pxe-pilot config deploy ubuntu-16.04 h2 h3
  pxe-pilot config deploy ubuntu-16.04 h2 h3 --dry-run
  pxe-pilot config deploy local 00:00:00:00:00:01`,
		Args:              positional("CONFIG", "HOST..."),
		ValidArgsFunction: p.complete(true, configurationNames, hostNames),
		Annotations:       map[string]string{changes: "links"},
	}
	o.common(cmd)
	o.forced(cmd)
	cmd.Flags().BoolVar(&o.change.DropUncovered, "drop-uncovered", false,
		"Accept that loaders which CONFIG has no variant for fall back to their default")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		outcome, err := c.Deploy(cmd.Context(), args[0], o.to(args[1:]))
		if err != nil {
			return o.explain(err)
		}
		return p.printOutcome(&o, outcome)
	}
	return cmd
}
