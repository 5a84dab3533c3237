package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) hostOff() *cobra.Command {
	o := powerOptions{action: "off", result: resultOff}
	cmd := &cobra.Command{
		Use:   "off HOST...",
		Short: "Turn hosts off, at once or by asking them",
		Long: `Turn hosts off at once, as if their plug were pulled, and wait until their BMCs
say that they are. With --soft their operating systems are asked to shut down
instead; 'pxe-pilot host status' tells later whether they did.`,
		Example: `  pxe-pilot host off h2 h3
  pxe-pilot host off h2 --soft`,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&o.asked.Soft, "soft", false, "Ask the operating system to shut down, and do not wait for it")
	cmd.PreRun = func(*cobra.Command, []string) {
		if o.asked.Soft {
			o.result = resultAccepted
		}
	}
	return o.common(p, cmd)
}
