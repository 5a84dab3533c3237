package cli

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) backup() *cobra.Command {
	var o BackupOptions
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the server's journal to a new file, also while it runs",
		Long: `Copy the server's journal, which is all of its history, to a new file. It is
whole, as of one moment, also while the server writes; nobody waits for it. Put in
the place of journal.db in the state directory of a server that does not run, with
no other file beside it that begins like that, it is the journal.`,
		Example: `  pxe-pilot backup /srv/backup/pxe-pilot-$(date +%F).db
  pxe-pilot backup -c ./pxe-pilot.yml journal.bak`,
		GroupID: groupID(localGroup),
		Args:    positional("FILE"),
	}
	configOption(cmd, &o.Config)
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.File = args[0]
		made, err := p.local.Backup(cmd.Context(), o)
		if err != nil {
			return err
		}
		return p.print(*form, result{
			data:  made,
			names: []string{made.File},
			text: func(b *bytes.Buffer) {
				fmt.Fprintf(b, "%s is a copy of the journal in %s\n", clean(made.File), clean(made.Directory))
			},
		})
	}
	return cmd
}
