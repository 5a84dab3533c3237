package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/client"
)

func (p *program) bootloader() *cobra.Command {
	g := p.group("bootloader", "Bootloader commands", p.bootloaderList())
	g.GroupID = groupID(askGroup)
	return g
}

func (p *program) bootloaderList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the bootloaders",
		Long: `List the bootloaders: the file that each is fetched as, and where it looks for its
configuration, as the server's file declares them.`,
		Example: `  pxe-pilot bootloader list
  pxe-pilot bootloader list -o json`,
		Args:              positional(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	return listing(p, cmd, (*client.Client).Bootloaders, listedBootloaders)
}

func listedBootloaders(bootloaders []apiv1.Bootloader) result {
	names := make([]string, len(bootloaders))
	for i, b := range bootloaders {
		names[i] = b.Name
	}
	return result{
		data:  apiv1.Bootloaders{Bootloaders: append([]apiv1.Bootloader{}, bootloaders...)},
		names: names,
		text: func(b *bytes.Buffer) {
			t := newTable("NAME", "FILE", "CONFIG PATH")
			for _, x := range bootloaders {
				t.row(x.Name, x.File, x.ConfigPath)
			}
			t.write(b)
		},
	}
}
