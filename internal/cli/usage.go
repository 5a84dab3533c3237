package cli

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pxe-pilot/pxe-pilot"
)

// A usageError says that a command was used in a wrong way.
type usageError struct {
	message string
	command string // whose help tells the right one
}

func (e *usageError) Error() string { return e.message }

func wrongUsage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), command: cmd.CommandPath()}
}

// positional checks arguments against names such as "CONFIG", "HOST...".
func positional(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		many := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		if missing := names[min(len(args), len(names)):]; len(missing) > 0 {
			if len(missing) == 1 {
				return wrongUsage(cmd, "%s is missing", missing[0])
			}
			return wrongUsage(cmd, "%s are missing", strings.Join(missing, " and "))
		}
		if len(args) > len(names) && !many {
			return wrongUsage(cmd, "unexpected argument %s", pxepilot.Quote(args[len(names)]))
		}
		for i, arg := range args {
			name := strings.TrimSuffix(names[min(i, len(names)-1)], "...")
			switch {
			case arg == "":
				return wrongUsage(cmd, "%s is empty", name)
			case !utf8.ValidString(arg):
				return wrongUsage(cmd, "%s %s is not UTF-8", name, pxepilot.Quote(arg))
			}
		}
		return nil
	}
}

// optional checks the one argument that may be there.
func optional(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return positional(name)(cmd, args)
	}
}

// unknownCommand names the commands that may have been meant: near ones of the
// same group, or those of that name in other groups.
func unknownCommand(cmd *cobra.Command, arg string) error {
	var names, elsewhere []string
	for _, c := range cmd.Commands() {
		if c.Hidden {
			continue
		}
		names = append(names, c.Name())
		for _, sub := range c.Commands() {
			if sub.Name() == arg {
				elsewhere = append(elsewhere, c.Name()+" "+arg)
			}
		}
	}
	meant := pxepilot.DidYouMean(arg, names)
	if len(elsewhere) > 0 {
		meant = "; did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	return wrongUsage(cmd, "unknown command %s%s", pxepilot.Quote(arg), meant)
}

// flagError says in our words what pflag found wrong with an option.
func flagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return unknownCommand(cmd, cmd.Flags().Arg(0)) // it stood before the option, which may be right for what was meant
	}
	var (
		unknown *pflag.NotExistError
		valued  *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return wrongUsage(cmd, "unknown option %s", quoteOption("-"+unknown.GetSpecifiedName()))
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		given := "--" + unknown.GetSpecifiedName()
		return wrongUsage(cmd, "unknown option %s%s", quoteOption(given), pxepilot.DidYouMean(given, names))
	case errors.As(err, &valued):
		return wrongUsage(cmd, "option --%s needs a value", valued.GetFlag().Name)
	case errors.As(err, &invalid):
		return wrongUsage(cmd, "option --%s: %s: %s", invalid.GetFlag().Name, pxepilot.Quote(invalid.GetValue()), reason(invalid))
	}
	return wrongUsage(cmd, "%s", clean(err.Error()))
}

// reason is why a value is invalid.
func reason(err *pflag.InvalidValueError) string {
	switch err.GetFlag().Value.Type() {
	case "bool":
		return "want true or false"
	case "int":
		return "want a number"
	case "duration":
		return "want a duration such as 60s or 2m"
	}
	return err.Unwrap().Error()
}

// quoteOption quotes an option only where it would not be plain to read.
func quoteOption(s string) string {
	if q := pxepilot.Quote(s); q != `"`+s+`"` || strings.Contains(s, " ") {
		return q
	}
	return s
}
