// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/compareviews.h"

#include "app/schemework.h"
#include "core/policy/checkpointpolicy.h"
#include "core/policy/policydiff.h"
#include "core/policy/presets.h"
#include "widgets/models/numbertext.h"
#include "widgets/panels/layerspanel.h"

#include <QFileDialog>

#include <cmath>

namespace ql {
namespace {

using Kind = CompareOperand::Kind;
constexpr const char* kSideKeys[] = {"compareA", "compareB"};
constexpr const char* kErrorsKey = "compareErrors";

QString fromText(const std::string& text)
{
    return QString::fromStdString(text);
}

} // namespace

CompareViews::CompareViews(Session* session, LookController* look, JobRunner* jobs, std::shared_ptr<ThreadPool> pool,
                           const Views& views, QWidget* window)
    : QObject(window), m_session(session), m_jobs(jobs), m_pool(std::move(pool)), m_page(views.page), m_look(look),
      m_window(window)
{
    connect(session, &Session::modelChanged, this, [this] {
        m_jobs->cancelKey(QLatin1String(kErrorsKey));
        m_sides = {};
        m_errors.clear();
        m_distribution.reset();
        m_tensor = -1;
        m_page->setSubject(-1, {});
        m_page->setChanges({}, {}, {});
        m_stale = true;
        update();
    });
    connect(session, &Session::policyChanged, this, [this] {
        m_stale = true;
        update();
    });
    connect(look, &LookController::shown, this, [this](int tensor, const Scheme&, bool) {
        if (tensor != m_tensor)
            show(tensor);
    });
    connect(m_page, &ComparePage::operandsChanged, this, [this] {
        m_stale = true;
        update();
    });
    connect(m_page, &ComparePage::fileWanted, this, &CompareViews::askForFile);
    connect(m_page, &ComparePage::tensorPicked, views.table, &LayersPanel::selectTensor);
    connect(m_page, &ComparePage::applyRequested, this, &CompareViews::apply);
}

void CompareViews::setBackend(const std::shared_ptr<Backend>& backend)
{
    m_backend = backend;
}

void CompareViews::setCalibration(const std::shared_ptr<const Calibration>& calibration)
{
    m_calibration = calibration;
    std::erase_if(m_errors, [](const auto& entry) { return entry.first.second.clip == ClipMethod::Output; });
    m_stale = true;
    update();
}

void CompareViews::setSnapshots(Snapshots snapshots)
{
    m_snapshots = std::move(snapshots);
    QStringList names;
    for (const auto& [name, policy] : m_snapshots ? m_snapshots() : std::vector<std::pair<QString, Policy>>())
        names << name;
    m_page->setSnapshots(names);
}

void CompareViews::compareWith(const CompareOperand& other)
{
    m_page->setOperand(ComparePage::A, {Kind::CurrentPolicy, {}});
    m_page->setOperand(ComparePage::B, other);
    m_page->setAllTensors(true);
    m_stale = true;
    update();
}

void CompareViews::setVisible(bool visible)
{
    m_visible = visible;
    update();
}

/// Everything anew, once it is seen.
void CompareViews::update()
{
    if (!m_visible || !m_stale || !m_session->model())
        return;
    m_stale = false;
    for (const Side side : {ComparePage::A, ComparePage::B})
        resolve(side);
    listChanges();
    show(m_look->subject().tensor);
}

Result<Policy> CompareViews::policyOf(const CompareOperand& operand) const
{
    switch (operand.kind) {
    case Kind::CurrentPolicy: return m_session->policy();
    case Kind::Scheme: {
        Policy policy;
        QL_TRY(policy.defaultScheme, Scheme::parse(operand.text.toStdString()));
        return policy;
    }
    case Kind::Preset: return presetPolicy(operand.text.toStdString(), *m_session->model());
    case Kind::Snapshot:
        for (const auto& [name, policy] : m_snapshots ? m_snapshots() : std::vector<std::pair<QString, Policy>>()) {
            if (name == operand.text)
                return policy;
        }
        return Error{ErrorCode::InvalidArgument, "there is no snapshot of this name any more", operand.text.toStdString()};
    case Kind::Original:
    case Kind::PolicyFile:
    case Kind::ModelFile: break;
    }
    return Error{ErrorCode::Internal, "no policy", {}};
}

void CompareViews::resolve(Side side)
{
    Meaning& meaning = m_sides[side];
    const CompareOperand operand = m_page->operand(side);
    if (operand.kind == Kind::ModelFile) {
        if (meaning.operand != operand || !meaning.model)
            openOther(side, operand.text);
        return;
    }
    if (operand.kind == Kind::PolicyFile) {
        if (meaning.operand != operand || !meaning.policy)
            return openPolicy(side, operand.text);
        return adopt(meaning, *meaning.policy);
    }
    meaning = {operand, {}, {}, {}, {}, {}, {}};
    if (operand.kind == Kind::Original) {
        Decision stored;
        stored.asStored = true;
        meaning.decisions.assign(m_session->model()->tensors().size(), stored);
        return;
    }
    adopt(meaning, policyOf(operand));
}

void CompareViews::adopt(Meaning& meaning, Result<Policy> policy)
{
    auto decisions = policy.ok() ? policy->resolve(*m_session->model()) : Result<std::vector<Decision>>(policy.error());
    meaning.problem = decisions.ok() ? QString() : fromText(decisions.error().text());
    if (!decisions.ok())
        return;
    meaning.policy = std::move(*policy);
    meaning.decisions = std::move(*decisions);
}

/// A policy, or what a checkpoint follows.
void CompareViews::openPolicy(Side side, const QString& path)
{
    m_sides[side] = {{Kind::PolicyFile, path}, {}, {}, {}, {}, tr("Opening %1…").arg(path), {}};
    m_jobs->start<Policy>(
        JobRunner::Lane::Interactive, QLatin1String(kSideKeys[side]) + QStringLiteral("open"), tr("opening %1").arg(path),
        [path = path.toStdString()](const JobControl&) -> Result<Policy> {
            if (path.ends_with(".json") && !path.ends_with(".index.json"))
                return Policy::load(path);
            QL_TRY(const std::shared_ptr<const Model> checkpoint, Model::open(path));
            return policyOfCheckpoint(*checkpoint);
        },
        [this, side, path, own = m_session->model()](Result<Policy> policy) {
            if (m_session->model() != own || m_sides[side].operand != CompareOperand{Kind::PolicyFile, path})
                return;
            adopt(m_sides[side], std::move(policy));
            listChanges();
            show(m_tensor);
        });
}

void CompareViews::openOther(Side side, const QString& path)
{
    m_sides[side] = {{Kind::ModelFile, path}, {}, {}, {}, {}, tr("Opening %1…").arg(path), {}};
    struct Other {
        std::shared_ptr<const Model> model;
        std::vector<TensorPair> pairs;
    };
    m_jobs->start<Other>(
        JobRunner::Lane::Interactive, QLatin1String(kSideKeys[side]) + QStringLiteral("open"), tr("opening %1").arg(path),
        [path = path.toStdString(), own = m_session->model()](const JobControl&) -> Result<Other> {
            Other other;
            QL_TRY(other.model, Model::open(path));
            other.pairs.resize(own->tensors().size());
            for (const TensorPair& pair : matchModels(*own, *other.model).pairs) {
                if (pair.a >= 0 && pair.expertA < 0) // a stack against single experts has no one counterpart
                    other.pairs[size_t(pair.a)] = pair;
            }
            return other;
        },
        [this, side, path, own = m_session->model()](Result<Other> other) {
            Meaning& meaning = m_sides[side];
            if (m_session->model() != own || meaning.operand != CompareOperand{Kind::ModelFile, path})
                return;
            meaning.problem = other.ok() ? QString() : fromText(other.error().text());
            if (other.ok()) {
                meaning.model = other->model;
                meaning.pairs = std::move(other->pairs);
            }
            listChanges();
            show(m_tensor);
        });
}

void CompareViews::askForFile(Side side, Kind kind)
{
    const QString path =
        kind == Kind::PolicyFile
            ? QFileDialog::getOpenFileName(m_window, tr("Compare with a policy"), {}, tr("Policies and checkpoints (*.json *.safetensors *.gguf);;All files (*)"))
            : QFileDialog::getOpenFileName(
                  m_window, tr("Compare with a model"), {},
                  tr("Models (*.safetensors *.gguf *.npy *.npz *.safetensors.index.json);;All files (*)"));
    if (path.isEmpty())
        return;
    m_page->setOperand(side, {kind, path});
    m_stale = true;
    update();
}

QString CompareViews::keptBy(const Meaning& meaning, int tensor) const
{
    const TensorInfo& info = m_session->model()->tensors()[size_t(tensor)];
    if (!meaning.model)
        return fromText(decidedText(info, meaning.decisions[size_t(tensor)]));
    const int other = meaning.pairs[size_t(tensor)].b;
    return other < 0 ? tr("missing") : fromText(meaning.model->tensors()[size_t(other)].typeLabel());
}

quint64 CompareViews::bytesOf(const Meaning& meaning, int tensor) const
{
    if (!meaning.model)
        return decidedBytes(m_session->model()->tensors()[size_t(tensor)], meaning.decisions[size_t(tensor)]);
    const int other = meaning.pairs[size_t(tensor)].b;
    return other < 0 ? 0 : meaning.model->tensors()[size_t(other)].bytes;
}

void CompareViews::show(int tensor)
{
    if (!m_visible || !m_session->model())
        return;
    if (tensor != m_tensor)
        m_distribution.reset();
    m_tensor = tensor;
    m_page->setSubject(tensor, tensor < 0 ? QString() : m_look->caption());
    if (tensor < 0)
        return;
    m_distribution ? m_page->setDistribution(m_distribution) : askDistribution();
    if (m_distribution) {
        for (const Side side : {ComparePage::A, ComparePage::B})
            ask(side);
    }
}

/// Both sides are drawn over the original's range, so it comes first.
void CompareViews::askDistribution()
{
    const auto view = m_session->model()->view(m_tensor);
    const DType type = m_session->model()->tensors()[size_t(m_tensor)].dtype;
    if (!view.ok() || !dtypeInfo(type).decodable) {
        m_page->setPending(ComparePage::A, view.ok() ? tr("Values of this type cannot be decoded.")
                                                     : fromText(view.error().text()));
        return;
    }
    m_jobs->start<Shared<Distribution>>(
        JobRunner::Lane::Interactive, QStringLiteral("compareOriginal"), tr("comparing"),
        [backend = m_backend, view = *view](const JobControl& job) { return analyseDistribution(*backend, view, job); },
        [this, tensor = m_tensor](Result<Shared<Distribution>> distribution) {
            if (tensor != m_tensor)
                return;
            if (!distribution.ok()) {
                m_page->setPending(ComparePage::A, fromText(distribution.error().text()));
                return;
            }
            m_distribution = *distribution;
            m_page->setDistribution(m_distribution);
            for (const Side side : {ComparePage::A, ComparePage::B})
                ask(side);
        });
}

void CompareViews::ask(Side side)
{
    const Meaning& meaning = m_sides[side];
    if (!meaning.ready()) {
        m_page->setPending(side, meaning.problem);
        return;
    }
    const QString kept = keptBy(meaning, m_tensor);
    const quint64 bytes = bytesOf(meaning, m_tensor);
    std::function<Result<Shared<Quantization>>(const JobControl&)> work;
    if (meaning.model) {
        const TensorPair pair = meaning.pairs[size_t(m_tensor)];
        if (pair.b < 0) {
            m_page->setPending(side, tr("%1 has no such tensor.").arg(meaning.operand.label()));
            return;
        }
        work = [own = m_session->model(), other = meaning.model, pair, whole = m_distribution,
                pool = m_pool](const JobControl& job) { return analyseDifference(*own, *other, pair, *whole, *pool, job); };
    } else {
        const Decision& decision = meaning.decisions[size_t(m_tensor)];
        if (decision.asStored) {
            m_page->setResult(side, kept, nullptr, bytes);
            return;
        }
        SchemeWork carried(*m_session->model(), m_tensor, m_session->model()->view(m_tensor).value(), m_backend,
                           m_calibration, m_pool);
        work = [carried = std::move(carried), scheme = decision.scheme,
                whole = m_distribution](const JobControl& job) -> Result<Shared<Quantization>> {
            QL_TRY(const Scheme resolved, carried.resolved(scheme, job));
            return analyseQuantization(*carried.backend, carried.view, resolved, whole.get(), job);
        };
    }
    m_page->setPending(side);
    m_jobs->start<Shared<Quantization>>(
        JobRunner::Lane::Interactive, QLatin1String(kSideKeys[side]), tr("comparing"), std::move(work),
        [this, side, kept, bytes, tensor = m_tensor](Result<Shared<Quantization>> result) {
            if (tensor != m_tensor)
                return;
            if (result.ok())
                m_page->setResult(side, kept, *result, bytes);
            else
                m_page->setPending(side, fromText(result.error().text()));
        });
}

void CompareViews::listChanges()
{
    const Meaning &a = m_sides[ComparePage::A], &b = m_sides[ComparePage::B];
    m_jobs->cancelKey(QLatin1String(kErrorsKey));
    m_nextRow = 0;
    if (!a.ready() || !b.ready()) {
        m_page->setChanges({}, a.ready() ? b.problem : a.problem, {});
        return;
    }
    std::vector<TensorChange> changes;
    for (int tensor = 0; tensor < int(m_session->model()->tensors().size()); ++tensor) {
        TensorChange change{tensor, fromText(m_session->model()->tensors()[size_t(tensor)].name), keptBy(a, tensor),
                            keptBy(b, tensor), bytesOf(a, tensor), bytesOf(b, tensor), {}, {}};
        if (change.from != change.to || change.bytesFrom != change.bytesTo)
            changes.push_back(std::move(change));
    }
    // The policy takes what the other side says; of two that are neither, B.
    const Side given = b.operand.kind == Kind::CurrentPolicy ? ComparePage::A : ComparePage::B;
    const QString applies = m_sides[given].model ? QString() : given == ComparePage::A ? QStringLiteral("A") : QStringLiteral("B");
    m_page->setChanges(std::move(changes), otherDifferences(), applies);
    nextErrors();
}

QString CompareViews::otherDifferences() const
{
    const auto &a = m_sides[ComparePage::A].policy, &b = m_sides[ComparePage::B].policy;
    if (!a || !b)
        return {};
    const auto diff = diffPolicies(*m_session->model(), *a, *b);
    QStringList lines;
    for (const std::string& other : diff.ok() ? diff->others : std::vector<std::string>())
        lines << fromText(other);
    return lines.join(QStringLiteral("; "));
}

std::optional<double> CompareViews::knownError(const Meaning& meaning, int tensor) const
{
    if (meaning.model) {
        const auto found = meaning.errors.find(tensor);
        return found == meaning.errors.end() ? std::nullopt : std::optional(found->second);
    }
    const Decision& decision = meaning.decisions[size_t(tensor)];
    if (decision.asStored)
        return 0.0;
    const auto found = m_errors.find({tensor, decision.scheme});
    return found == m_errors.end() ? std::nullopt : std::optional(found->second);
}

std::function<Result<double>(const JobControl&)> CompareViews::errorWork(const Meaning& meaning, int tensor) const
{
    if (meaning.model) {
        return [own = m_session->model(), other = meaning.model, pair = meaning.pairs[size_t(tensor)],
                pool = m_pool](const JobControl& job) -> Result<double> {
            if (pair.b < 0)
                return std::nan("");
            QL_TRY(const TensorDifference difference, compareTensors(*own, *other, pair, *pool, job));
            return difference.metrics ? difference.metrics->relativeError() : std::nan("");
        };
    }
    const auto view = m_session->model()->view(tensor);
    if (!view.ok())
        return [error = view.error()](const JobControl&) -> Result<double> { return error; };
    SchemeWork carried(*m_session->model(), tensor, *view, m_backend, m_calibration, m_pool);
    return [carried = std::move(carried), scheme = meaning.decisions[size_t(tensor)].scheme](
               const JobControl& job) -> Result<double> {
        QL_TRY(const Scheme resolved, carried.resolved(scheme, job));
        QL_TRY(const ErrorMetrics metrics, carried.backend->measure(carried.view, resolved, job));
        return metrics.relativeError();
    };
}

/// Fills in the errors row by row; those that are known come at once.
void CompareViews::nextErrors()
{
    const auto& changes = m_page->changes()->changes();
    for (; m_nextRow < int(changes.size()); ++m_nextRow) {
        const int tensor = changes[size_t(m_nextRow)].tensor;
        std::optional<double> known[2];
        for (const Side side : {ComparePage::A, ComparePage::B})
            known[side] = knownError(m_sides[side], tensor);
        m_page->setErrors(m_nextRow, known[0], known[1]);
        if (known[0] && known[1])
            continue;
        if (!m_visible) {
            m_stale = true;
            return;
        }
        const Side side = known[0] ? ComparePage::B : ComparePage::A;
        m_jobs->start<double>(
            JobRunner::Lane::Background, QLatin1String(kErrorsKey), tr("comparing"), errorWork(m_sides[side], tensor),
            [this, side, tensor, operand = m_sides[side].operand](Result<double> error) {
                if (!m_session->model() || m_sides[side].operand != operand || !m_sides[side].ready())
                    return;
                const double value = error.ok() ? *error : std::nan("");
                if (m_sides[side].model)
                    m_sides[side].errors[tensor] = value;
                else
                    m_errors[{tensor, m_sides[side].decisions[size_t(tensor)].scheme}] = value;
                nextErrors();
            });
        return;
    }
}

void CompareViews::apply(const QList<int>& tensors)
{
    const bool fromA = m_sides[ComparePage::B].operand.kind == Kind::CurrentPolicy;
    const Meaning& given = m_sides[fromA ? ComparePage::A : ComparePage::B];
    if (!given.ready() || given.model)
        return;
    Policy policy = m_session->policy();
    int locked = 0, applied = 0;
    for (const int tensor : tensors) {
        const Decision& now = m_session->decisions()[size_t(tensor)];
        if (now.locked) {
            ++locked;
            continue;
        }
        PolicyChange change;
        change.tensor = tensor;
        change.before = now;
        change.after = given.decisions[size_t(tensor)];
        change.after.locked = false;
        auto changed = withChange(policy, *m_session->model(), change);
        if (!changed.ok()) {
            Q_EMIT failed(changed.error());
            return;
        }
        policy = std::move(*changed);
        ++applied;
    }
    if (applied > 0)
        m_session->changePolicy(policy, counted(applied, tr("1 tensor as in “%1”"), tr("%1 tensors as in “%2”")).arg(given.operand.label()));
    if (locked > 0)
        Q_EMIT noted(counted(locked, tr("1 locked tensor left as it is."), tr("%1 locked tensors left as they are.")));
}

} // namespace ql
