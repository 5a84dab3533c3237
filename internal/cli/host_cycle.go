package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) hostCycle() *cobra.Command {
	o := powerOptions{action: "cycle", result: resultAccepted}
	cmd := &cobra.Command{
		Use:   "cycle HOST...",
		Short: "Cut the power of hosts for a moment",
		Long: `Turn hosts off and on again, as if their plug were pulled for some seconds; how
long is the BMC's choice. It helps where a reboot does not, such as with an
adapter that hangs.`,
		Example: `  pxe-pilot host cycle h2
  pxe-pilot host cycle h2 --next pxe`,
	}
	o.nextBoot(cmd)
	return o.common(p, cmd)
}
