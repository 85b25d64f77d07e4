// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/devicecontroller.h"

#include "widgets/panels/statuswidgets.h"

namespace ql {

DeviceController::DeviceController(JobRunner* jobs, std::shared_ptr<Backends> backends, DeviceChip* chip, QObject* parent)
    : QObject(parent), m_jobs(jobs), m_backends(std::move(backends)), m_chip(chip), m_backend(m_backends->cpu())
{
    const BackendInfo info = m_backend->info();
    const QString id = QString::fromStdString(info.id);
    m_chip->setDevices({{id, QString::fromStdString(info.name), tr("looking for OpenCL devices…"), true, false}}, id, {});
    connect(m_chip, &DeviceChip::deviceChosen, this, [this](const QString& chosen) {
        Q_EMIT deviceWished(chosen);
        start(chosen);
    });
}

void DeviceController::start(const QString& wish)
{
    m_jobs->start<Found>(
        JobRunner::Lane::Long, QStringLiteral("devices"), tr("testing devices"),
        [backends = m_backends, wish = wish.toStdString()](const JobControl&) -> Result<Found> {
            auto choice = backends->choose(wish);
            if (!choice.ok()) {
                // Named and not usable: the program goes on with the best of the others and says why.
                QL_TRY(BackendChoice best, backends->choose("auto"));
                best.note = choice.error().text();
                return Found{backends->devices(true), std::move(best)};
            }
            return Found{backends->devices(true), std::move(*choice)};
        },
        [this](Result<Found> found) {
            if (found.ok())
                show(*found);
        });
}

void DeviceController::show(const Found& found)
{
    QList<DeviceChip::Entry> entries;
    for (const DeviceStatus& device : found.devices)
        entries.append({QString::fromStdString(device.id), QString::fromStdString(device.name),
                        QString::fromStdString(device.detail), device.usable, device.gpu});
    m_backend = found.choice.backend;
    m_chip->setDevices(entries, QString::fromStdString(m_backend->info().id), QString::fromStdString(found.choice.note));
    Q_EMIT backendChanged();
}

} // namespace ql
