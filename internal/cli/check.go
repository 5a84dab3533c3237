package cli

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) check() *cobra.Command {
	var o CheckOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file and the TFTP root",
		Long: `Check the configuration file and the TFTP root, without a server.

It tells every error of the file with line and column, and looks at the TFTP
root for what a TFTP server could not read, links that dangle, are absolute,
leave the root or belong to no host, and shapes that 'pxe-pilot host repair'
would mend. With --verify it asks the TFTP servers that the file names for what
each host asks for, and tells what they do not give as it is on the disk. It
changes nothing. The exit status is 1 where there is an error, 0
where there are only warnings.`,
		Example: `  pxe-pilot check
  pxe-pilot check -c ./pxe-pilot.yml -o json
  pxe-pilot check --verify`,
		GroupID:           groupID(localGroup),
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	configOption(cmd, &o.Config)
	cmd.Flags().BoolVar(&o.Verify, "verify", false, "Fetch what each host asks for from the TFTP servers, too")
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings, err := p.local.Check(cmd.Context(), o)
		if err != nil && len(findings) == 0 {
			return err
		}
		if perr := p.print(*form, checked(o.Config, findings)); perr != nil {
			return perr
		}
		if err == nil && count(findings, Error) > 0 {
			err = silentError(exitFailed)
		}
		return err
	}
	return cmd
}

// checked is the result of a check: a line for each finding, and a summary.
func checked(config string, findings []Finding) result {
	names := make([]string, len(findings))
	for i, f := range findings {
		names[i] = f.Where
	}
	return result{
		data: map[string][]Finding{"findings": append([]Finding{}, findings...)},
		text: func(b *bytes.Buffer) {
			for _, f := range findings {
				line := f.Message
				if f.Where != "" {
					line = f.Where + ": " + line
				}
				fmt.Fprintf(b, "%s: %s\n", f.Severity, clean(line))
			}
			fmt.Fprintf(b, "%s: %s, %s\n", clean(config),
				counted(count(findings, Error), "error"), counted(count(findings, Warning), "warning"))
		},
		names: names,
	}
}

func count(findings []Finding, s Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// counted is "no errors", "1 error" or "2 errors".
func counted(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
