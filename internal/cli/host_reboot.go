package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) hostReboot() *cobra.Command {
	o := powerOptions{action: "reboot", result: resultAccepted}
	cmd := &cobra.Command{
		Use:   "reboot HOST...",
		Short: "Reboot hosts, or start those that are off",
		Long: `Reset the hosts that are on, without asking their operating systems, and turn on
those that are off. Where it cannot be learnt which of both a host is, nothing is
done to it, and that is an error.`,
		Example: `  pxe-pilot host reboot h2 h3
  pxe-pilot host reboot h2 --next bios`,
	}
	o.nextBoot(cmd)
	return o.common(p, cmd)
}
