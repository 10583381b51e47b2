import Proxy
import Testing

struct ContentGatheringTests {
  private func begun(upTo bound: Int = 10) -> ContentGathering {
    var gathering = ContentGathering()
    let began = gathering.begin(ContentGathering.Request(hasContent: true), upTo: bound)
    #expect(began)
    return gathering
  }

  /// Steps are taken outside of `#expect`, which would take them on a copy.
  private func same(_ step: ContentGathering.Step, _ expected: ContentGathering.Step, location: SourceLocation = #_sourceLocation) {
    #expect(step == expected, sourceLocation: location)
  }

  @Test func `What has no content, or streams, or waits for the backend's word is not gathered`() {
    let requests = [
      ContentGathering.Request(hasContent: false),
      ContentGathering.Request(hasContent: true, isTunnel: true),
      ContentGathering.Request(hasContent: true, isStream: true),
      ContentGathering.Request(hasContent: true, expectsContinue: true),
    ]
    for request in requests {
      var gathering = ContentGathering()
      let began = gathering.begin(request, upTo: 10)
      #expect(!began)
      #expect(gathering.phase == .off)
      #expect(!gathering.takesContent && !gathering.holdsContent)
      same(gathering.took(100), .more)
      same(gathering.ended(), .more)
      gathering.passedOn()
      #expect(gathering.phase == .off)
    }
    var gathering = ContentGathering()
    let began = gathering.begin(ContentGathering.Request(hasContent: true), upTo: 0)
    #expect(!began)
  }

  @Test func `A request that is complete within the bound asks once, when it is complete`() {
    var gathering = begun()
    same(gathering.took(4), .more)
    same(gathering.took(5), .more)
    #expect(gathering.takesContent)
    same(gathering.ended(), .ask)
    same(gathering.ended(), .more)
    #expect(!gathering.takesContent && gathering.holdsContent)
    gathering.passedOn()
    #expect(!gathering.takesContent && !gathering.holdsContent)
    #expect(gathering.count == 9)
  }

  @Test func `Content that turns out to be empty asks as well`() {
    var gathering = begun()
    same(gathering.ended(), .ask)
  }

  @Test(arguments: [10, 11, 1000]) func `A longer one asks once, when the bound is full`(last: Int) {
    var gathering = begun()
    same(gathering.took(last), .ask)
    #expect(!gathering.takesContent && gathering.holdsContent)
    same(gathering.took(5), .more)
    same(gathering.ended(), .more)
    gathering.passedOn()
    #expect(gathering.phase == .passed)
    same(gathering.ended(), .more)
  }

  @Test func `Nothing is passed on before a connection was asked for`() {
    var gathering = begun()
    gathering.passedOn()
    #expect(gathering.phase == .gathering)
  }
}
