package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) configDeploy() *cobra.Command {
	o := deployOptions{changeOptions: changeOptions{command: "deploy"}}
	cmd := &cobra.Command{
		Use:   "deploy CONFIG HOST...",
		Short: "Make hosts boot a configuration from now on",
		Long: `Make hosts boot a configuration from now on. A host is named by its name or by
one of its MAC addresses. Either all hosts are switched or none: one that is
refused refuses all, unless --skip-refused.

With --now the hosts are then rebooted over the network, or turned on. Where that
fails the configuration stays deployed. With --batch N it is done in waves of N
hosts, and stops after a wave when more than --max-fail hosts have failed; all
hosts are checked before the first wave, and each is switched with its own, or
with --switch-first all of them before the first.

With --then the hosts are deployed to once: each is switched to that configuration
when its installer says that it is done (POST /v1/self/done), and when the time is
over that it has, --within. So are deploys of configurations that the settings of the
server's file say it of, unless --permanent. With --now a host that is not rebooted is
put back to what it booted before. 'pxe-pilot host armed' shows what is under way.

With --verify the server fetches what each host asks for from the TFTP servers,
as the machine would, once all links are switched. A host that does not get just
what was deployed from each of them is not rebooted, and the exit status is 1.
Where deploy.verify of the server's file asks for that always, --verify=false does
without.`,
		Example: `  pxe-pilot config deploy ubuntu-16.04 h2 h3
  pxe-pilot config deploy ubuntu-16.04 h2 h3 --dry-run
  pxe-pilot config deploy local 00:00:00:00:00:01
  pxe-pilot config deploy ubuntu-16.04 h2 h3 --now
  pxe-pilot config deploy ubuntu-16.04 h2 --then local --within 2h --now
  pxe-pilot config deploy ubuntu-16.04 h2 h3 --now --verify
  pxe-pilot config deploy ubuntu-16.04 $(cat rack) --now --batch 8 --pause 60s --max-fail 2`,
		Args:              positional("CONFIG", "HOST..."),
		ValidArgsFunction: p.complete(true, configurationNames, hostNames),
		Annotations:       map[string]string{changes: "links"},
	}
	o.common(cmd)
	o.forced(cmd)
	cmd.Flags().BoolVar(&o.change.DropUncovered, "drop-uncovered", false,
		"Accept that loaders which CONFIG has no variant for fall back to their default")
	o.once.flags(p, cmd)
	verify := cmd.Flags().Bool("verify", false, "See that the TFTP servers give it, before any reboot")
	o.reboots(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(cmd, len(args)-1); err != nil {
			return err
		}
		if err := o.once.check(cmd, o.now); err != nil {
			return err
		}
		if cmd.Flags().Changed("verify") {
			o.change.Verify = verify
		}
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		if o.now && !o.change.DryRun {
			return p.deployNow(cmd.Context(), c, &o, args[0], args[1:])
		}
		stop := p.waiting(cmd.Context(), changingLinks)
		outcome, err := c.Deploy(cmd.Context(), args[0], o.to(args[1:]))
		stop()
		if err != nil {
			return o.explain(err)
		}
		if o.now {
			p.notePlan(&o, len(args)-1)
		}
		return p.printOutcome(&o.changeOptions, outcome)
	}
	return cmd
}
