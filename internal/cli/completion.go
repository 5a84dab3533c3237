package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot"
)

var shells = []string{"bash", "zsh", "fish"}

func (p *program) completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script for a shell",
		Long: fmt.Sprintf(`Print the completion script for a shell: %s. With it, Tab
completes commands, options, and the hosts and configurations of the server.
For bash the package bash-completion must be there.`, strings.Join(shells, ", ")),
		Example: `  source <(pxe-pilot completion bash)
  pxe-pilot completion bash > /etc/bash_completion.d/pxe-pilot
  pxe-pilot completion zsh > "${fpath[1]}/_pxe-pilot"
  pxe-pilot completion fish > ~/.config/fish/completions/pxe-pilot.fish`,
		GroupID: groupID(otherGroup),
		Args: func(cmd *cobra.Command, args []string) error {
			if err := positional("SHELL")(cmd, args); err != nil {
				return err
			}
			if !slices.Contains(shells, args[0]) {
				return wrongUsage(cmd, "unknown shell %s (want %s)%s",
					pxepilot.Quote(args[0]), strings.Join(shells, ", "), pxepilot.DidYouMean(args[0], shells))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return shells, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(p.out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(p.out)
			}
			return cmd.Root().GenFishCompletion(p.out, true)
		},
	}
}
