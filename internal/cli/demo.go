package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) demo() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server on a demo site of its own making",
		Long: `Run a server on a demo site of its own making: a temporary TFTP root with
configurations for two loaders, and some hosts. It tells what to type next, and
removes everything when it is stopped (Ctrl-C).`,
		Example: `  pxe-pilot demo
  pxe-pilot demo --port 8080`,
		GroupID:           groupID(localGroup),
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if port < 0 || port > 65535 {
				return wrongUsage(cmd, "option --port: %d is not a port (want 1 to 65535, or 0 for any free one)", port)
			}
			return p.local.Demo(cmd.Context(), DemoOptions{Port: port, Debug: p.debug, Stdout: p.out, Stderr: p.Stderr})
		},
	}
	cmd.Flags().IntVarP(&port, "port", "p", 3478, "`PORT` to listen on; 0 means any free one")
	return cmd
}
