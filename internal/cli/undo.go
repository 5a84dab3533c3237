package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

func (p *program) undo() *cobra.Command {
	o := changeOptions{command: "undo"}
	var host string
	cmd := &cobra.Command{
		Use:   "undo [ID|HOST]",
		Short: "Bring hosts back to what they booted before",
		Long: `Bring hosts back to what they booted before: all hosts of the entry ID of the
history, or HOST to before the latest entry that changed what it boots, or without
either the hosts of the latest entry. Where one of them was switched since nothing
is done, unless --force says so. An undo is an entry as well, and can be undone.

A host whose name is a number is meant by that number; --host names one host of an
entry, and ID is an ID then.`,
		Example: `  pxe-pilot undo 17
  pxe-pilot undo h7
  pxe-pilot undo 17 --host h7
  pxe-pilot undo --dry-run`,
		GroupID:           groupID(askGroup),
		Args:              optional("ID|HOST"),
		ValidArgsFunction: p.complete(false, hostNames),
		Annotations:       map[string]string{changes: "links"},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&host, "host", "", "Only this `HOST` of the entry")
	_ = cmd.RegisterFlagCompletionFunc("host", p.completeOption(hostNames))
	cmd.Flags().BoolVar(&o.change.DryRun, "dry-run", false, "Print what would be done to which link, in order, and do nothing")
	cmd.Flags().BoolVar(&o.change.Force, "force", false, "Also hosts that were switched since; keep a file that is in a link's place as NAME.orig-TIME")
	o.form = withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("host") && host == "" {
			return wrongUsage(cmd, "--host is empty")
		}
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		u := apiv1.Undo{Host: host, Force: o.change.Force, DryRun: o.change.DryRun}
		if len(args) > 0 {
			if err := aim(cmd, c, &u, args[0]); err != nil {
				return err
			}
		}
		stop := p.waiting(cmd.Context(), changingLinks)
		outcome, err := c.Undo(cmd.Context(), u)
		stop()
		if err != nil {
			if o.change.DryRun {
				err = undoubtedError{err}
			}
			return hintedError{err, ifNotFound(err, "'pxe-pilot history' shows what there is to undo")}
		}
		err = p.printOutcome(&o, outcome)
		if outcome.Entry != 0 {
			p.say("note", fmt.Sprintf("'pxe-pilot undo %d' takes it back", outcome.Entry))
		}
		return err
	}
	return cmd
}

// aim says in a request what arg means: a host if there is one of that name, and
// else an entry where it is a number.
func aim(cmd *cobra.Command, c *client.Client, u *apiv1.Undo, arg string) error {
	id, ok := entryID(arg)
	switch {
	case !ok && u.Host != "":
		return wrongUsage(cmd, "with --host, %q is no ID of an entry", arg)
	case !ok:
		u.Host = arg
		return nil
	case u.Host == "":
		_, err := c.Host(cmd.Context(), arg)
		if err == nil {
			u.Host = arg
			return nil
		}
		if ifNotFound(err, "x") == "" {
			return err
		}
	}
	u.ID = id
	return nil
}
