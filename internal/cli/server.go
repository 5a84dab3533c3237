package cli

import (
	"github.com/spf13/cobra"
)

const defaultConfig = "/etc/pxe-pilot/pxe-pilot.yml"

func (p *program) serverCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run PXE Pilot server",
		Long: `Run PXE Pilot server.

It reads the configuration file, answers the API and logs to stderr, until it
is told to stop (SIGINT, SIGTERM). When the file changes, or on SIGHUP, it is
read anew; where it has an error the last good state stays in force. A file with
errors is never started on: 'pxe-pilot check' tells them all.`,
		Example: `  pxe-pilot server
  pxe-pilot server -c ./pxe-pilot.yml`,
		GroupID:           groupID(localGroup),
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.local.Server(cmd.Context(), ServerOptions{Config: config, Debug: p.debug, Stderr: p.Stderr})
		},
	}
	configOption(cmd, &config)
	return cmd
}

// configOption gives a command the option -c.
func configOption(cmd *cobra.Command, config *string) {
	cmd.Flags().StringVarP(config, "config", "c", defaultConfig, "Configuration `FILE`")
	_ = cmd.MarkFlagFilename("config", "yml", "yaml")
}
