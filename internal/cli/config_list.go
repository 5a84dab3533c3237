package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

func (p *program) configList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the configurations",
		Long: `List the configurations. Where the server's file declares bootloaders there is
a row for each variant of a configuration.`,
		Example: `  pxe-pilot config list
  pxe-pilot config list -o name`,
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	return listing(p, cmd, (*client.Client).Configurations, listedConfigurations)
}

func listedConfigurations(configurations []apiv1.Configuration) result {
	names := make([]string, len(configurations))
	declared := false
	for i, c := range configurations {
		names[i] = c.Name
		declared = declared || len(c.Bootloaders) > 0
	}
	return result{
		data:  apiv1.Configurations{Configurations: append([]apiv1.Configuration{}, configurations...)},
		names: names,
		text: func(b *bytes.Buffer) {
			if !declared {
				t := newTable("NAME")
				for _, name := range names {
					t.row(name)
				}
				t.write(b)
				return
			}
			t := newTable("NAME", "BOOTLOADER")
			for _, c := range configurations {
				if len(c.Bootloaders) == 0 {
					t.row(c.Name, "")
				}
				for _, bootloader := range c.Bootloaders {
					t.row(c.Name, bootloader)
				}
			}
			t.write(b)
		},
	}
}
