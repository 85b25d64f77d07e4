// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli devices: what could do the work, what its self-test said, and what is used.
#include "app/backends.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/base/format.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace ql::cli {

int runDevices(const QStringList& arguments, Context& context)
{
    Options options("devices");
    options.flag("json", "one JSON document on stdout");
    if (const auto code = begin(options, arguments, context))
        return *code;
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const std::vector<DeviceStatus> devices = backends.devices(true);
    const auto choice = backends.choose("auto");
    if (!choice.ok())
        return fail(context, choice.error());
    const std::string chosen = choice->backend->info().id;

    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    Table table({{""}, {"id"}, {"device"}, {"driver"}, {"state"}});
    for (const DeviceStatus& device : devices) {
        json.push_back({{"id", device.id}, {"name", device.name}, {"driver", device.driver}, {"gpu", device.gpu},
                        {"usable", device.usable}, {"detail", device.detail},
                        {"bytes_per_second", device.bytesPerSecond}, {"chosen", device.id == chosen}});
        table.add({device.id == chosen ? "*" : "", device.id, device.name, device.driver, device.detail});
    }
    if (options.has("json")) {
        context.out << nlohmann::ordered_json{{"devices", json}, {"chosen", chosen}, {"note", choice->note}}.dump(1) << '\n';
        return 0;
    }
    table.print(context.out);
    if (!choice->note.empty())
        context.out << choice->note << '\n';
    return 0;
}

} // namespace ql::cli
