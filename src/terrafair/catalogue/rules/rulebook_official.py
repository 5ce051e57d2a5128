"""The official layer: (id, what it asks for, why, how to mend it)."""

OFFICIAL = (
    (
        "json-syntax",
        "Every `.json` and `.geojson` file is JSON.",
        "Nothing reads it otherwise.",
        "Mend the text at the line and column that the message names.",
    ),
    (
        "json-encoding",
        "Files are UTF-8 without a byte order mark.",
        "JSON allows no mark, and a UTF-16 file is no JSON.",
        "Save the file as UTF-8. `--fix` removes a byte order mark.",
    ),
    (
        "json-depth",
        "A document is nested at most 200 levels deep.",
        "Tools that read the catalogue give up there.",
        "Put the data into a file of its own and link to it.",
    ),
    (
        "file-unreadable",
        "Every file can be read, and has at most 32 MB.",
        "A document that large is data, and every reader of the catalogue would load it.",
        "Put data beside the catalogue and link to it.",
    ),
    (
        "not-an-object",
        "A document is one JSON object.",
        "An array or a text describes no entity.",
        "Write one STAC or record object per file.",
    ),
    (
        "unexpected-place",
        "STAC documents lie where the catalogue's order has a place for them.",
        "Nothing leads to a file elsewhere. Only products may hold more documents: their items.",
        "Move it to `KIND/ID/` with the file name of its kind, or delete it.",
    ),
    (
        "schema-core",
        "STAC documents fit the STAC core schema of their version.",
        "STAC tools rely on it.",
        "Change the field that the message names.",
    ),
    (
        "schema-extension",
        "Documents fit every STAC extension that they declare.",
        "Who declares an extension promises its fields.",
        "Change the field, or drop the extension.",
    ),
    (
        "schema-osc",
        "Documents fit the catalogue's own schema for their kind.",
        "The catalogue's web page and forms are made for it.",
        "Change the field that the message names.",
    ),
    (
        "schema-record",
        "Workflows, experiments and every other JSON file without `stac_version` fit the records schema.",
        "What has no STAC version counts as a record, so a data file beside one is invalid.",
        "Change the field, or move a file that is no record out of the catalogue.",
    ),
    (
        "schema-unknown",
        "Every declared extension has a schema at its address.",
        "The official validator rejects what it cannot fetch.",
        "Mend the address. A real extension that the store lacks: `terrafair schemas sync --add ADDRESS`.",
    ),
    (
        "extension-address",
        "`stac_extensions` holds http addresses of schemas.",
        "Short names went with STAC 1.0.",
        "Write the whole address, with version and `schema.json`.",
    ),
    (
        "stac-version",
        "`stac_version` is `1.0.0` or `1.1.0`.",
        "The catalogue holds no other, and a text that is no version stops the official validator.",
        "Write the version whose fields the document uses.",
    ),
    ("type", "`type` is what the place asks for.", "Readers choose by it.", "Set the type that the message names."),
    (
        "title",
        "Catalogs and collections have a title.",
        "It is what people see, and what every link to it carries.",
        "Write a `title`.",
    ),
    (
        "id-folder",
        "The id is the name of the folder.",
        "Other documents name the entity by its id and find it by the folder.",
        "Make them equal. Ids that begin with `json` do not work.",
    ),
    (
        "root-title",
        "The root catalogue is titled `Open Science Catalog`.",
        "Every `root` link carries that title.",
        "Set the title back.",
    ),
    ("root-parent", "The root catalogue has no `parent` link.", "Nothing is above it.", "Remove the link."),
    (
        "links-array",
        "`links` is an array.",
        "Without links a document hangs in the air.",
        "Write the `parent` and `root` links at least.",
    ),
    (
        "link-object",
        "Each link is an object with a `rel` and an `href`.",
        "A link without an address leads nowhere.",
        "Write `rel`, `href`, `type` and `title`, or remove it.",
    ),
    (
        "parent-link",
        "The `parent` link leads to the catalogue above.",
        "The tree is walked along it.",
        "`--fix` adds or mends it.",
    ),
    (
        "root-link",
        "The `root` link leads to the catalogue's `catalog.json`, relatively.",
        "The tree is walked along it.",
        "`--fix` adds or mends it.",
    ),
    (
        "link-title",
        "A link into the catalogue has the title of what it leads to; `related` ones with the kind before it.",
        (
            "The web page shows the links' titles. `Project: `, `Product: `, `Experiment: `, `Workflow: `, `Theme: `, "
            "`Variable: ` and `EO Mission: ` are the kinds."
        ),
        "`--fix` sets it.",
    ),
    (
        "link-type",
        "A link to a document of the catalogue has the type `application/json`.",
        "Readers choose by it.",
        "`--fix` sets it.",
    ),
    (
        "link-relative",
        "Links inside the catalogue are relative.",
        "Only these work in a fork, on a branch and on the testing site.",
        "Write the path from this file.",
    ),
    (
        "self-link",
        "`self` links begin with the address that the catalogue is published at.",
        "It is where the document really is.",
        "`--fix` sets it.",
    ),
    (
        "via-link",
        "Products, projects, variables and EO missions have a `via` link.",
        "It leads to where the thing is described outside the catalogue.",
        "Add a link with `rel` `via` to the home page or publication.",
    ),
    (
        "child-place",
        "`child` links of an entity lead to products, those of a workflow to experiments.",
        "Nothing else is below them.",
        "Mend the href, or make it a `related` link.",
    ),
    (
        "child-missing",
        "What a `child` link leads to exists.",
        "Visitors would meet an error.",
        "Mend the href, or remove the link.",
    ),
    (
        "entry-missing",
        "A list has an entry for each folder in it.",
        "What is not listed is not found.",
        "`--fix` adds the entry.",
    ),
    (
        "entry-dead",
        "Every entry of a list leads to an entity in it.",
        "Visitors would meet an error.",
        "Remove the entry, or mend its href: relative, with the file name of the kind.",
    ),
    (
        "reference-needed",
        "Products and workflows name their project, experiments their workflow.",
        "Without it nobody knows where it comes from.",
        "Set `osc:project` or `osc:workflow` to the id.",
    ),
    (
        "reference-missing",
        "Every project, variable, mission, theme, experiment and workflow that is named exists.",
        "A typing error would cut the thread.",
        "Mend the id, or publish that entity first (or in the same pull request).",
    ),
    (
        "related-link",
        "What is named has a `related` link, too.",
        "The web page follows links, not ids.",
        "`--fix` adds it.",
    ),
    (
        "themes",
        (
            "Products, projects and variables have a `themes` entry with the scheme "
            "`https://github.com/stac-extensions/osc#theme`."
        ),
        "The catalogue is sorted by theme.",
        "Write the scheme and the themes' ids as `concepts`.",
    ),
    (
        "extension-missing",
        "Products declare the extensions osc and themes, projects contacts as well, variables themes.",
        "Their fields come from there.",
        "`--fix` adds the address.",
    ),
    (
        "osc-type",
        "`osc:type` is `product` or `project`, by place.",
        "Readers choose by it.",
        "`--fix` sets it.",
    ),
    (
        "technical-officer",
        "A project has a contact with the role `technical_officer`, a name and an e-mail address.",
        "ESA's officer answers for the project.",
        "Add the contact; the officer's address stands first in `emails`.",
    ),
    (
        "conformance",
        "Workflows and experiments conform to OGC API - Records' core.",
        "Readers tell records from other features by it.",
        "`--fix` adds it to `conformsTo`.",
    ),
    (
        "environment-link",
        "An experiment links to its environment.",
        "Without it nobody can run it again.",
        "Add a link with `rel` `environment` to the file that lists its software.",
    ),
    (
        "input-link",
        "An experiment links to its input.",
        "Without it nobody can run it again.",
        "Add a link with `rel` `input` to the file with its input values.",
    ),
    (
        "preview-link",
        "A theme has a `preview` link to a WebP picture, without a projection.",
        "The web page shows it.",
        "Write the link with the type `image/webp` and `proj:epsg` null.",
    ),
    (
        "preview-file",
        "The preview picture exists and can be read.",
        "The web page shows it.",
        "Put the picture beside the theme's document.",
    ),
    (
        "preview-shape",
        "`proj:shape` of the preview is the picture's [rows, columns].",
        "The page keeps that much room free.",
        "`--fix` sets it.",
    ),
)
