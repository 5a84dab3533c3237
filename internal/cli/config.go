package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) config() *cobra.Command {
	g := p.group("config", "PXE configuration commands", p.configList(), p.configShow(), p.configDeploy())
	g.GroupID = groupID(askGroup)
	return g
}
