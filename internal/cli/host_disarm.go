package cli

import "github.com/spf13/cobra"

func (p *program) hostDisarm() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disarm HOST...",
		Short: "Have hosts boot for good what they boot once",
		Long: `Have hosts boot for good what they were deployed to once: nothing switches them any
more. Also a host that is no longer in the server's file may be named. Either all
hosts or none. To have one switched now, deploy what comes then.`,
		Example: `  pxe-pilot host disarm h2
  pxe-pilot host disarm $(pxe-pilot host armed -o name)`,
		Args:              positional("HOST..."),
		ValidArgsFunction: p.complete(true, hostNames),
	}
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		ended, err := c.Disarm(cmd.Context(), args...)
		if err != nil {
			return hintedError{err, ifNotFound(err, "'pxe-pilot host armed' shows what there is")}
		}
		return p.print(*form, armingsResult(ended))
	}
	return cmd
}
