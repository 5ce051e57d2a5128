"""The reviewer layer: (id, what it asks for, why, how to mend it)."""

REVIEWER = (
    (
        "schemas-missing",
        "All schemas are at hand.",
        "What is not checked may be wrong.",
        "Run `terrafair schemas sync` and set TERRAFAIR_SCHEMAS, or give `--schemas`.",
    ),
    (
        "skipped",
        "Every document is checked.",
        (
            "The official validator passes over STAC versions before 1.0.0-rc.1 and feature collections, so anything "
            "may be in them."
        ),
        "Write the document in STAC 1.0.0 or 1.1.0.",
    ),
    (
        "not-text",
        "Files hold Unicode text.",
        "JavaScript puts a replacement for what is none; most other readers refuse the file.",
        "Save it as UTF-8, and write characters instead of half of their escapes.",
    ),
    (
        "number-range",
        "Numbers fit into a double, up to some 1.8e308.",
        "JavaScript reads a larger number as infinity; most other readers refuse the file.",
        "Write a smaller number, or the digits as a text.",
    ),
    (
        "repeated-key",
        "A key stands once in an object.",
        "The last one wins, and what the first said is lost.",
        "Keep the right one.",
    ),
    (
        "dead-link",
        "What a link into the catalogue leads to exists.",
        "Visitors would meet an error. The official validator looks at some links only.",
        "Mend the href, or remove the link.",
    ),
    (
        "duplicate-link",
        "No two links of one relation lead to one place.",
        "The web page shows both.",
        "Remove one. `--fix` removes an exact repetition.",
    ),
    (
        "absolute-link",
        "Links inside the catalogue are relative.",
        (
            "Only these work in a fork, on a branch and on the testing site. The official validator looks at the first "
            "link only."
        ),
        "`--fix` makes it relative.",
    ),
    (
        "self-elsewhere",
        "The `self` link is the document's own address.",
        "Whoever follows or cites it reaches another document, or none.",
        "`--fix` sets it.",
    ),
    (
        "stale-title",
        "A link that has a title has that of what it leads to.",
        "It names something that has another name by now. The official validator compares some links only.",
        "`--fix` sets it.",
    ),
    (
        "back-link",
        "What a product, experiment or workflow names links back to it.",
        "Otherwise it is found from one side only. The official validator does not ask for it.",
        "`--fix` adds the link there.",
    ),
    (
        "listed-unnamed",
        "Products that a project, theme, variable or EO mission lists name it.",
        "One of the two is wrong.",
        "Name it in the product, or remove the link.",
    ),
    (
        "bbox-range",
        "Boxes are in degrees: -180 to 180 and -90 to 90.",
        "A map shows it nowhere; often longitude and latitude are swapped, or the numbers are metres.",
        "Write west, south, east, north in degrees.",
    ),
    (
        "bbox-order",
        "A box has its south below its north, and its bottom below its top.",
        "Nothing lies in it, so no search finds it.",
        "Write west, south, east, north.",
    ),
    (
        "bbox-globe",
        "A product of a region has the region's box.",
        "With the globe's it shows up in every search.",
        "Write the region's box, or mend `osc:region`.",
    ),
    (
        "interval-reversed",
        "Time starts before it ends.",
        "No search finds it.",
        "Swap or mend the two.",
    ),
    (
        "interval-empty",
        "A product says from when or until when it is.",
        "It shows up in every search by time.",
        "Write the start, and the end unless it goes on.",
    ),
    (
        "no-variables",
        "A product names its variables.",
        "Who looks for the variable does not find it.",
        "List their ids in `osc:variables`, with a `related` link each.",
    ),
    (
        "no-missions",
        "A product names the EO missions that it was made from.",
        "Who looks for the mission does not find it.",
        "List their ids in `osc:missions`, with a `related` link each.",
    ),
    (
        "no-experiment",
        "A product that an experiment is linked with names it.",
        "Otherwise nobody finds the way to compute it again.",
        "Publish the experiment, set `osc:experiment` to its id and add a `related` link.",
    ),
    (
        "no-data-link",
        "A product leads to its data.",
        "A landing page for people is no use to a program.",
        "Add a `child` or `item` link to STAC of the data, or an asset.",
    ),
    (
        "second-themes",
        "The themes of the catalogue's scheme stand in one entry.",
        "The official validator and the web page read the first only.",
        "Move the concepts into the first entry.",
    ),
    (
        "record-title",
        "Workflows and experiments have a title.",
        "It is what people see. The official schema lets it be left out.",
        "Write `properties.title`.",
    ),
    (
        "record-description",
        "Workflows and experiments have a description.",
        "Nobody can tell what they do otherwise.",
        "Write `properties.description`.",
    ),
    (
        "record-licence",
        "Workflows and experiments have a licence.",
        "Without one nobody may use them.",
        "Write the SPDX id into `properties.license`.",
    ),
    (
        "record-theme",
        "The themes of a workflow or experiment exist.",
        "It is found under none otherwise. The official validator does not look.",
        "Mend the id.",
    ),
    (
        "input-file",
        "The input file in the catalogue is filled, and a program can read it.",
        "The experiment cannot run otherwise.",
        "Write the values as YAML or JSON; `parameters: []` where there are none.",
    ),
    (
        "environment-file",
        "The environment file in the catalogue is filled, and a program can read it.",
        "The experiment cannot run otherwise.",
        "Write a conda environment, pip requirements, or the container image with its digest.",
    ),
    (
        "near-duplicate",
        "No two entities of a kind have nearly the same name.",
        "Readers find one half only.",
        "Use the entity that is there, or tell the two apart in the title.",
    ),
)
