package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) hostOn() *cobra.Command {
	o := powerOptions{action: "on", result: resultOn}
	cmd := &cobra.Command{
		Use:   "on HOST...",
		Short: "Turn hosts on",
		Long: `Turn hosts on, and wait until their BMCs say that they are. A host that is on
already stays so. Of a host that only Wake-on-LAN turns on nobody can say that.`,
		Example: `  pxe-pilot host on h2 h3
  pxe-pilot host on h2 --next pxe
  pxe-pilot host on $(cat rack) --batch 8 --pause 60s`,
	}
	o.nextBoot(cmd)
	return o.common(p, cmd)
}
