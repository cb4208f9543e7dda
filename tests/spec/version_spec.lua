local support = require "tests.spec.support"
local cli = support.cli

describe("the command line", function()
  it("says its version", function()
    local said = cli { "version" }
    assert.equal(0, said.code)
    assert.matches("^moonsail %d+%.%d+%.%d+", said.stdout)
  end)

  it("names the nearest command to one that it does not know", function()
    local said = cli { "versoin" }
    assert.equal(2, said.code)
    assert.equal("", said.stdout)
    assert.matches("versoin", said.stderr)
    assert.matches('version', said.stderr)
  end)

  it("names the nearest flag to one that it does not know", function()
    local said = cli { "serve", "--lisen", "127.0.0.1:0" }
    assert.equal(2, said.code)
    assert.matches("%-%-lisen", said.stderr)
    assert.matches("%-%-listen", said.stderr)
  end)
end)
