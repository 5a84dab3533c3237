package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help is "pxe-pilot help COMMAND", which says the same as its --help.
func (p *program) help() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Tell about a command",
		GroupID: groupID(otherGroup),
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			for _, arg := range args {
				next := child(about, arg)
				if next == nil {
					return unknownCommand(about, arg)
				}
				about = next
			}
			_, _ = io.WriteString(p.out, helpText(about))
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about := cmd.Root()
			for _, arg := range args {
				if about = child(about, arg); about == nil {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
			}
			var names []string
			for _, c := range about.Commands() {
				if !c.Hidden {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// helpText is the help of a command, in the words and the order of the
// program's first version.
func helpText(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n", usageLine(cmd))
	if cmd.Long != "" {
		b.WriteString(cmd.Long + "\n")
	} else {
		b.WriteString(cmd.Short + "\n")
	}
	if cmd.HasParent() {
		section(&b, "Options:", optionRows(cmd.NonInheritedFlags()))
		section(&b, "Global options:", optionRows(cmd.Root().PersistentFlags()))
	} else {
		section(&b, "Options:", append(optionRows(cmd.PersistentFlags()), optionRows(cmd.LocalNonPersistentFlags())...))
	}
	if len(cmd.Groups()) == 0 {
		section(&b, "Commands:", commandRows(cmd, ""))
	}
	for _, g := range cmd.Groups() {
		section(&b, g.Title, commandRows(cmd, g.ID))
	}
	if cmd.Example != "" {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nRun '%s COMMAND --help' for more information on a command.\n", cmd.CommandPath())
	}
	return b.String()
}

func usageLine(cmd *cobra.Command) string {
	_, args, _ := strings.Cut(cmd.Use, " ")
	switch {
	case cmd.HasAvailableSubCommands() && !cmd.HasParent():
		return cmd.CommandPath() + " [OPTIONS] COMMAND [arg...]"
	case cmd.HasAvailableSubCommands():
		return cmd.CommandPath() + " COMMAND [arg...]"
	}
	return strings.TrimSpace(cmd.CommandPath() + " [OPTIONS] " + args)
}

// section writes a title and rows in two columns, or nothing without rows.
func section(b *strings.Builder, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	widest := 0
	for _, r := range rows {
		widest = max(widest, len(r[0]))
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, r := range rows {
		fmt.Fprintf(b, "  %-*s   %s\n", widest, r[0], r[1])
	}
}

func commandRows(cmd *cobra.Command, group string) [][2]string {
	var rows [][2]string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.GroupID == group {
			rows = append(rows, [2]string{c.Name(), c.Short})
		}
	}
	return rows
}

func optionRows(flags *pflag.FlagSet) [][2]string {
	var rows [][2]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		switch value, usage := pflag.UnquoteUsage(f); {
		case f.Name == "help" || f.Name == "version":
			rows = append(rows, [2]string{name, usage})
		case f.DefValue == "":
			rows = append(rows, [2]string{name + "=" + value, usage})
		case f.Value.Type() == "bool" || f.Value.Type() == "int" || f.Value.Type() == "duration":
			rows = append(rows, [2]string{name + "=" + f.DefValue, usage})
		default:
			rows = append(rows, [2]string{name + `="` + f.DefValue + `"`, usage})
		}
	})
	return rows
}
