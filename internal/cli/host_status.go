package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
)

func (p *program) hostStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status HOST...",
		Short: "Ask now whether hosts are on",
		Long: `Ask the BMCs of hosts now whether they are on. 'pxe-pilot host list' tells what
was learnt last, and does not wait for BMCs.`,
		Example: `  pxe-pilot host status h2 h3
  pxe-pilot host status h2 -o json`,
		Args:              positional("HOST..."),
		ValidArgsFunction: p.complete(true, hostNames),
	}
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.status(cmd, *form, args)
	}
	return cmd
}

func (p *program) status(cmd *cobra.Command, form format, args []string) error {
	c, err := p.connect(cmd)
	if err != nil {
		return err
	}
	names, err := p.resolve(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	all := gathering{names: names, reading: true, do: func(ctx context.Context, name string) (powered, error) {
		power, err := c.Power(ctx, name)
		if err != nil {
			return powered{PowerState: string(pxepilot.PowerUnknown)}, err
		}
		return powered{PowerState: power.PowerState, Address: power.Address}, nil
	}}
	err = p.inWaves(cmd.Context(), &waves{}, names, all.wave) // one wave, for asking trips no supply
	return p.conclude(form, &all, err, "POWER STATE", func(r powered) string { return r.PowerState })
}
