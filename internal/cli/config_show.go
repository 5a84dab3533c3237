package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

func (p *program) configShow() *cobra.Command {
	var bootloader string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show what a configuration contains",
		Long: `Show what a configuration contains. Where it has several variants each comes
after a line that names its bootloader; --bootloader picks one.

On a terminal control characters are escaped; in a file or a pipe the content is
byte for byte what the machines get.`,
		Example: `  pxe-pilot config show local
  pxe-pilot config show local --bootloader grub`,
		Args:              positional("NAME"),
		ValidArgsFunction: p.complete(false, configurationNames),
	}
	cmd.Flags().StringVarP(&bootloader, "bootloader", "b", "", "Show the variant for the bootloader `NAME` only")
	_ = cmd.RegisterFlagCompletionFunc("bootloader", p.completeOption(bootloaderNames))
	form := withOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if bootloader == "" && cmd.Flags().Changed("bootloader") {
			return wrongUsage(cmd, "option --bootloader needs a value")
		}
		c, err := p.connect(cmd)
		if err != nil {
			return err
		}
		content, err := c.Configuration(cmd.Context(), args[0], bootloader)
		if err != nil {
			return hintedError{err, hintConfigurations(err)}
		}
		return p.print(*form, result{
			data:  content,
			names: []string{content.Name},
			text:  func(b *bytes.Buffer) { p.writeContent(b, content) },
		})
	}
	return cmd
}

// writeContent writes the variants, with lines between them such as those of
// head(1).
func (p *program) writeContent(b *bytes.Buffer, content *apiv1.ConfigurationContent) {
	if len(content.Variants) < 2 {
		b.WriteString(p.raw(content.Content))
		return
	}
	for i, v := range content.Variants {
		if i > 0 {
			b.WriteString("\n")
		}
		text := p.raw(v.Content)
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		fmt.Fprintf(b, "==> %s <==\n%s", clean(v.Bootloader), text)
	}
}

// raw is the content of a file as it may be written to stdout.
func (p *program) raw(s string) string {
	if p.StdoutTTY {
		return cleanBut(s, "\n\t")
	}
	return s
}
